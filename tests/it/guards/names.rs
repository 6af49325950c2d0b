//! The names in an item: those that it defines, imports and uses.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::tree::Kind;

/// An import: the name that it brings into scope, or none for all of a module.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) name: Option<String>,
    pub(super) segments: Vec<String>,
}

/// A path, where it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) line: usize,
    pub(super) test: bool,
    pub(super) segments: Vec<String>,
    pub(super) kind: Kind,
}

/// Whether attributes keep an item for tests.
pub(super) fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let tokens = list.tokens.to_string();
        list.path.is_ident("cfg") && (tokens == "test" || tokens.starts_with("all (test"))
    })
}

/// Value of `#[path = "…"]`.
pub(super) fn path_attribute(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) if pair.path.is_ident("path") => {
            Some(text.value())
        }
        _ => None,
    }
}

/// Attributes of an item.
pub(super) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => panic!("an item of a new kind"),
    }
}

/// Names that an item defines in its module.
pub(super) fn defined(item: &syn::Item) -> Option<String> {
    use syn::Item;
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Imports of an item.
pub(super) fn uses(item: &syn::Item) -> Vec<Use> {
    let syn::Item::Use(item) = item else { return Vec::new() };
    let mut found = Vec::new();
    flatten(&item.tree, &mut Vec::new(), &mut found);
    found
}

fn flatten(tree: &syn::UseTree, prefix: &mut Vec<String>, found: &mut Vec<Use>) {
    let mut add = |last: &syn::Ident, name: &syn::Ident| {
        let mut segments = prefix.clone();
        // `use a::{self}` imports `a`.
        if last != "self" {
            segments.push(last.to_string());
        }
        let name = if name == "self" { segments.last().cloned() } else { Some(name.to_string()) };
        found.push(Use { name, segments });
    };
    match tree {
        syn::UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, found);
            prefix.pop();
        }
        syn::UseTree::Name(name) => add(&name.ident, &name.ident),
        syn::UseTree::Rename(name) => add(&name.ident, &name.rename),
        syn::UseTree::Glob(_) => found.push(Use { name: None, segments: prefix.clone() }),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, prefix, found)),
    }
}

/// Finds every path in an item, in attributes and in the tokens of macros as well.
#[derive(Debug)]
pub(super) struct Reader {
    test: bool,
    pub(super) found: Vec<Found>,
}

impl Reader {
    pub(super) fn new(test: bool) -> Self {
        Self { test, found: Vec::new() }
    }

    fn add(&mut self, line: usize, segments: Vec<String>, kind: Kind) {
        self.found.push(Found { line, test: self.test, segments, kind });
    }

    /// Visits what attributes may keep for tests.
    fn within(&mut self, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let before = self.test;
        self.test |= is_test(attributes);
        visit(self);
        self.test = before;
    }

    /// Paths of two names or more: a single name may not be a path.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && colons < 2 => colons += 1,
                other => {
                    self.end(line, &mut path);
                    colons = 0;
                    match other {
                        TokenTree::Ident(ident) => {
                            line = ident.span().start().line;
                            path.push(ident.to_string());
                        }
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                    }
                }
            }
        }
        self.end(line, &mut path);
    }

    fn end(&mut self, line: usize, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if 2 <= path.len() {
            self.add(line, path, Kind::Expression);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.within(attributes(item), |reader| visit::visit_item(reader, item));
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes: &[syn::Attribute] = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        self.within(attributes, |reader| visit::visit_impl_item(reader, item));
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.within(&field.attrs, |reader| visit::visit_field(reader, field));
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        self.within(&local.attrs, |reader| visit::visit_local(reader, local));
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let line = item.use_token.span.start().line;
        let exported = !matches!(item.vis, syn::Visibility::Inherited);
        let mut found = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut found);
        for import in found {
            let kind = if exported { Kind::Export } else { Kind::Import { glob: import.name.is_none() } };
            self.add(line, import.segments, kind);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.add(line, segments, Kind::Expression);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.tokens(list.tokens.clone());
    }

    /// The name of an attribute is no path of the crate, unless it has two parts.
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if 2 <= attribute.path().segments.len() {
            self.visit_path(attribute.path());
        }
        match &attribute.meta {
            syn::Meta::List(list) => self.visit_meta_list(list),
            syn::Meta::NameValue(pair) => self.visit_expr(&pair.value),
            syn::Meta::Path(_) => {}
        }
    }

    /// `pub(crate)` and `pub(super)` name no item.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

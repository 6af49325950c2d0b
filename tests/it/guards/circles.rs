//! No import circle between files: to read one file of a circle, one has to read all of them.
//!
//! A file's edges go to the files that define the items it names; a re-export counts as the item behind it. `mod child;` and a
//! `pub use` whose name the file itself does not use are no edges: they only compose. Code for tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::tree::{Kind, Named, Target, Tree};

/// Edges between files: the names that make them, each with the first line that has it.
type Edges = BTreeMap<usize, BTreeMap<usize, BTreeMap<Vec<String>, usize>>>;

fn edges(tree: &Tree) -> Edges {
    let mut edges = Edges::new();
    let counted = |named: &&Named| !named.test && !tree.files[named.file].test && named.kind != Kind::Export;
    for named in tree.named.iter().filter(counted) {
        if let Target::Item(target) = tree.resolve(named.module, &named.segments)
            && target != named.file
            && named.kind != (Kind::Import { glob: true })
        {
            let names = edges.entry(named.file).or_default().entry(target).or_default();
            names.entry(named.segments.clone()).or_insert(named.line);
        }
    }
    edges
}

/// Files that can be reached from a file.
fn reached(edges: &Edges, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        let next = edges.get(&file).into_iter().flat_map(|targets| targets.keys());
        open.extend(next.filter(|target| found.insert(**target)));
    }
    found
}

/// Sets of files each of which can be reached from every other.
fn circles(tree: &Tree, edges: &Edges) -> Vec<BTreeSet<usize>> {
    let reached: Vec<_> = (0..tree.files.len()).map(|file| reached(edges, file)).collect();
    let mut found: Vec<BTreeSet<usize>> = Vec::new();
    for file in 0..tree.files.len() {
        let circle: BTreeSet<usize> =
            reached[file].iter().copied().filter(|other| reached[*other].contains(&file)).collect();
        if circle.contains(&file) && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

/// A circle as people read it: each file with its edges to others of the circle.
fn shown(tree: &Tree, edges: &Edges, circle: &BTreeSet<usize>) -> String {
    let mut text = format!("circle of {} files\n", circle.len());
    for file in circle {
        writeln!(text, "  {}", tree.files[*file].path).unwrap();
        for (target, names) in edges[file].iter().filter(|(target, _)| circle.contains(target)) {
            // A name that is imported is shown by its import alone.
            let imported = |name: &[String]| names.keys().any(|other| 1 < other.len() && name.first() == other.last());
            let names = names.iter().filter(|(name, _)| !imported(name));
            let names: Vec<String> = names.map(|(name, line)| format!("{} (line {line})", name.join("::"))).collect();
            writeln!(text, "    -> {}: {}", tree.files[*target].path, names.join(", ")).unwrap();
        }
    }
    text
}

#[test]
fn no_file_imports_a_file_that_imports_it() {
    let tree = Tree::read("lib.rs");
    let edges = edges(&tree);
    let circles = circles(&tree, &edges);
    let texts: String = circles.iter().map(|circle| shown(&tree, &edges, circle)).collect();
    assert!(circles.is_empty(), "{} circles:\n{texts}", circles.len());
}

/// The circles of a small crate, by the names of their files.
fn of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let tree = Tree::of(files);
    let circles = circles(&tree, &edges(&tree));
    let names = |circle: &BTreeSet<usize>| circle.iter().map(|file| tree.files[*file].path.clone()).collect();
    circles.iter().map(names).collect()
}

const TWO: &str = "mod a; mod b;";

#[test]
fn a_circle_is_found_in_any_spelling_of_its_names() {
    let b = "pub(crate) struct B; impl B { fn f() { crate::a::g(); } }";
    for a in [
        "use crate::b::B; pub(crate) fn g() {}",
        "pub(crate) fn g() { crate::b::B::f(); }",
        "use super::b::{self as other}; pub(crate) fn g() { let _ = other::B; }",
        "pub(crate) fn g() { vec![super::b::B]; }",
        "#[derive(Clone)] pub(crate) struct A(crate::b::B); pub(crate) fn g() {}",
        "mod inner { use crate::b::*; fn h(_: B) {} } pub(crate) fn g() {}",
    ] {
        assert_eq!(of(&[("lib.rs", TWO), ("a.rs", a), ("b.rs", b)]), [["a.rs", "b.rs"]], "{a}");
    }
}

#[test]
fn a_re_export_counts_as_the_item_behind_it() {
    let root = "mod a; mod b; pub(crate) use a::A; pub(crate) use b::B;";
    let a = "use crate::B; pub(crate) struct A;";
    assert_eq!(of(&[("lib.rs", root), ("a.rs", a), ("b.rs", "pub(crate) struct B;")]), [] as [Vec<String>; 0]);
    let b = "pub(crate) struct B(crate::A);";
    assert_eq!(of(&[("lib.rs", root), ("a.rs", a), ("b.rs", b)]), [["a.rs", "b.rs"]]);
}

#[test]
fn a_parent_that_uses_a_child_that_uses_it_is_a_circle() {
    let child = ("a/child.rs", "use super::A; pub(crate) struct Child(A);");
    let composes = ("a/mod.rs", "mod child; pub(crate) use child::Child; pub(crate) struct A;");
    assert_eq!(of(&[("lib.rs", "mod a;"), composes, child]), [] as [Vec<String>; 0]);
    let uses = ("a/mod.rs", "mod child; pub(crate) use child::Child; pub(crate) struct A; fn f(_: Child) {}");
    assert_eq!(of(&[("lib.rs", "mod a;"), uses, child]), [["a/mod.rs", "a/child.rs"]]);
}

#[test]
fn tests_are_left_out_and_the_code_after_them_is_not() {
    let b = ("b.rs", "use crate::a::A; pub(crate) struct B(A);");
    let tests = ("a.rs", "pub(crate) struct A; #[cfg(test)] mod tests { use crate::b::B; }");
    assert_eq!(of(&[("lib.rs", TWO), tests, b]), [] as [Vec<String>; 0]);
    let after = ("a.rs", "#[cfg(test)] mod tests {} use crate::b::B; pub(crate) struct A;");
    assert_eq!(of(&[("lib.rs", TWO), after, b]), [["a.rs", "b.rs"]]);
}

//! The snapshot: all policies, compiled, immutable, with a revision and a content digest.
//!
//! Codes are numbers, lists are tables, and dates are cut into segments within which the same
//! editions are in force, so that a decision costs the same whatever the size of the lists and
//! midnight needs no reload. The compiler of the policies is the only one that builds a
//! snapshot; whoever answers holds one from beginning to end.

use super::calendar::Calendar;
use super::clearance::{Clearance, ClearanceKey};
use super::gateway::Gateway;
use super::list::{
    Condition, Edition, Lines as ListLines, ListLine, Named, National, ScenarioListing, ScenariosKnown, SectorListing,
};
use super::reason::Text;
use super::registry::{Exporter, Flow};
use super::route::{OwnCounter, Route};
use super::slips::{Buffer, Sought};
use super::units::{
    CitySet, Class, ClearanceId, EditionId, ExporterId, FamilyId, FlowId, Headcount, ItemId, Moment, NationalId,
    RecipientId, RouteId, RuleId, ScenarioId, SectorId, StepId, ZoneId, ZoneSet,
};
use super::vocabulary::{Looks, Vocabulary};

/// All policies of one moment in the life of a server.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counts up with each activation on one server; 0 before the first.
    pub revision: u64,
    /// Content digest of the policy files, `blake3:<hex>`.
    pub digest: Box<str>,
    /// Years of Asia/Shanghai.
    pub calendar: Calendar,
    /// Every code, by kind.
    pub codes: Codes,
    /// The lists and what they name.
    pub lists: Lists,
    /// What the operator registered.
    pub registry: Registry,
    /// Rules and next steps that answers name.
    pub rules: Rules,
    /// How requests of gateways are labelled.
    pub gateway: Gateway,
}

/// Every code of the catalogue and the registry.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    /// Zones.
    pub zones: Vocabulary,
    /// Cities.
    pub cities: Vocabulary,
    /// Sectors; number 0 is `other`.
    pub sectors: Vocabulary,
    /// Scenarios; number 0 is `other`.
    pub scenarios: Vocabulary,
    /// Kinds of data.
    pub items: Vocabulary,
    /// Attributes of data items.
    pub attributes: Vocabulary,
    /// Kinds of exporter.
    pub kinds: Vocabulary,
    /// Registered exporters.
    pub exporters: Vocabulary,
    /// Recipients that flows and clearances name.
    pub recipients: Vocabulary,
    /// Registered flows.
    pub flows: Vocabulary,
    /// Families of editions.
    pub families: Vocabulary,
    /// What lists call kinds of data in their examples: [`Lists::fields`] by number.
    pub fields: Vocabulary,
}

/// What the catalogue says of a kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemFacts {
    /// Its class.
    pub class: Class,
    /// The strictest class that the catalogue or any entry of any list gives it.
    pub strictest: Class,
    /// The entries that name it.
    ///
    /// Beside the class, because whoever looks at the one looks at the other.
    pub entries: Entries,
}

/// The entries that name a kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// One entry of one list, as with most.
    One(Named),
    /// So many of [`Lists::named`], from a number on; or none.
    Many {
        /// The first.
        from: u32,
        /// How many.
        count: u32,
    },
}

impl Entries {
    /// No list names it.
    pub const NONE: Entries = Entries::Many { from: 0, count: 0 };
}

/// The lists and what they name.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Editions of the national rules, by date.
    pub nationals: Vec<National>,
    /// Editions of zone lists.
    pub editions: Vec<Edition>,
    /// Stretches of time in which the same editions are in force, by date, without gaps.
    pub segments: Vec<Segment>,
    /// For each zone, itself and the zones that it lies within.
    pub zone_closure: Vec<ZoneSet>,
    /// Cities that lie in the mainland part of the Greater Bay Area.
    pub greater_bay_area: CitySet,
    /// What each kind of data is, by number.
    pub items: Vec<ItemFacts>,
    /// Which kind of data each of the names in [`Codes::fields`] stands for.
    pub fields: Vec<ItemId>,
    /// Entries that name items which several entries name, by item, then by edition.
    pub named: Vec<Named>,
    /// When entries apply.
    pub conditions: Vec<Condition>,
    /// Listed sectors, ascending by edition and sector.
    pub sectors: Vec<((EditionId, SectorId), SectorListing)>,
    /// Listed scenarios, ascending by edition, sector and scenario.
    pub scenarios: Vec<((EditionId, SectorId, ScenarioId), ScenarioListing)>,
    /// The most persons of each class that the counters of a scenario may hold alone, by any edition of the family,
    /// ascending by counter; see [`Apart`](super::route::Apart). Scenarios with zero are left out.
    pub alone: Vec<(OwnCounter, Headcount)>,
    /// The same for scenarios of a sector that are not written down.
    pub alone_unwritten: Vec<((FamilyId, SectorId), Headcount)>,
    /// Families of the editions of each zone, each once, and the sum of what their counters may hold alone.
    pub alone_of_zone: Vec<Vec<(FamilyId, Headcount)>>,
}

/// A stretch of time in which the same editions are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// First moment of the segment; it ends where the next begins.
    pub from: Moment,
    /// National rules in force.
    pub national: Option<NationalId>,
    /// Edition in force in each zone, by the number of the zone.
    pub editions: Vec<Option<EditionId>>,
    /// With whom a contract of the Greater Bay Area can be concluded.
    pub area: AreaSteps,
}

/// Next steps of the contract of the Greater Bay Area, by where the recipient is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AreaSteps {
    /// With a recipient registered in Hong Kong; `None`: it cannot be concluded.
    pub hong_kong: Option<StepId>,
    /// With a recipient registered in Macao; `None`: it cannot be concluded.
    pub macao: Option<StepId>,
}

/// What the operator registered.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Exporters, by number.
    pub exporters: Vec<Exporter>,
    /// Flows, by number.
    pub flows: Vec<Flow>,
    /// Clearances, by number.
    pub clearances: Vec<Clearance>,
    /// Clearances by exporter and recipient, ascending.
    pub clearance_keys: Vec<ClearanceKey>,
    /// Routes of flows, each once.
    pub routes: Vec<Route>,
}

/// Rules and next steps that answers name.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Ids of rules, such as `national-2024/art-5-1-4`.
    pub ids: Vocabulary,
    /// Citation of each rule: an index into `citations`.
    pub citation_of: Vec<u32>,
    /// Citations, each once.
    pub citations: Vec<Text>,
    /// Next steps.
    pub steps: Vec<NextStep>,
}

/// What to do next, and with whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NextStep {
    /// Procedure, such as `beijing-negative-list-filing`.
    pub procedure: Box<str>,
    /// Authority to turn to; `None` where it is not known.
    pub authority: Option<Text>,
    /// What to do.
    pub text: Text,
}

/// What an edition says of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'s> {
    /// The chapter of the sector.
    pub listing: &'s SectorListing,
    /// The lines of the scenario.
    pub lines: ListLines<ListLine>,
    /// The scenario, or the sector where the scenario is not written down.
    pub rule: RuleId,
    /// Whether the scenario is written down.
    pub is_written: bool,
}

impl Snapshot {
    /// Returns the number of the segment in which the moment falls.
    ///
    /// A moment before the first edition of all falls in the first segment, in which none is in force.
    pub fn segment_number(&self, at: Moment) -> usize {
        self.lists.segments.partition_point(|segment| segment.from <= at).saturating_sub(1)
    }

    /// Returns a segment and the first moment of the next one.
    pub fn segment(&self, number: usize) -> (Option<&Segment>, Option<Moment>) {
        let segments = &self.lists.segments;
        (segments.get(number), segments.get(number + 1).map(|next| next.from))
    }

    /// Returns the national rules by number.
    pub fn national(&self, id: NationalId) -> Option<&National> {
        self.lists.nationals.get(id.index())
    }

    /// Returns the national rules in force at a moment.
    pub fn national_at(&self, at: Moment) -> Option<&National> {
        let (segment, _) = self.segment(self.segment_number(at));
        self.national(segment?.national?)
    }

    /// Returns an edition by number.
    pub fn edition(&self, id: EditionId) -> Option<&Edition> {
        self.lists.editions.get(id.index())
    }

    /// Returns the class that the catalogue gives to a kind of data.
    pub fn class_of(&self, item: ItemId) -> Class {
        // A number that the catalogue did not give out cannot occur; the strictest class is the safe answer.
        self.lists.items.get(item.index()).map_or(Class::Important, |facts| facts.class)
    }

    /// Returns the strictest class that the catalogue or any list gives to a kind of data.
    pub fn strictest_class_of(&self, item: ItemId) -> Class {
        self.lists.items.get(item.index()).map_or(Class::Important, |facts| facts.strictest)
    }

    /// Returns the code that a code of a caller's own could be taken for, where the catalogue or a list classes it more
    /// strictly than the caller does: one slip away, the same to the eye, or named like that in the examples of a list.
    pub fn stricter_code_like(&self, own: &str, class: Class) -> Option<ItemId> {
        let is_stricter = |item: ItemId| class < self.strictest_class_of(item);
        let mut buffer = Buffer::default();
        let sought = Sought::new(own, &mut buffer)?;
        let near = self.codes.items.slip_of(&sought, |number| is_stricter(ItemId(number)));
        near.map(ItemId).or_else(|| {
            let field = self.codes.fields.slip_of(&sought, |number| self.field(number).is_some_and(is_stricter))?;
            self.field(field)
        })
    }

    fn field(&self, number: u32) -> Option<ItemId> {
        self.lists.fields.get(number as usize).copied()
    }

    /// Prepares the codes for [`Snapshot::stricter_code_like`] and for exporters that are not registered. The compiler does
    /// so when every class is known.
    pub fn index_slips(codes: &mut Codes, lists: &Lists) {
        let class = |item: ItemId| lists.items.get(item.index()).map_or(Class::Important, |facts| facts.strictest);
        // Data that is not personal is as mild as can be: nothing declared is milder.
        let rank = |item: ItemId| (class(item) != Class::NonPersonal).then_some(class(item) as u8);
        codes.items.index_slips(Looks::Alike, |number| rank(ItemId(number)));
        let field = |number: u32| lists.fields.get(number as usize).copied();
        codes.fields.index_slips(Looks::Alike, |number| field(number).and_then(rank));
        codes.exporters.index_slips(Looks::Apart, |_| Some(0));
    }

    /// Returns the entries of one edition that name an item.
    pub fn named(&self, item: ItemId, edition: EditionId) -> &[Named] {
        let all = match self.lists.items.get(item.index()).map(|facts| &facts.entries) {
            Some(Entries::One(named)) => std::slice::from_ref(named),
            Some(&Entries::Many { from, count }) => {
                let (from, count) = (from as usize, count as usize);
                self.lists.named.get(from..from + count).unwrap_or(&[])
            }
            None => &[],
        };
        let begin = all.partition_point(|named| named.edition < edition);
        let rest = all.get(begin..).unwrap_or(&[]);
        let len = rest.partition_point(|named| named.edition == edition);
        rest.get(..len).unwrap_or(&[])
    }

    /// Returns what an edition says of a sector.
    pub fn sector(&self, edition: EditionId, sector: SectorId) -> Option<&SectorListing> {
        lookup(&self.lists.sectors, &(edition, sector))
    }

    /// Returns what an edition says of a scenario of a sector.
    pub fn scenario(&self, edition: EditionId, sector: SectorId, scenario: ScenarioId) -> Option<&ScenarioListing> {
        lookup(&self.lists.scenarios, &(edition, sector, scenario))
    }

    /// Returns what an edition says of a scenario, where it lists it or may list it.
    ///
    /// A scenario that is not written down may be listed where not all of the sector's are known:
    /// it is taken as listed, with the sector's lines. `other` never is.
    pub fn listed(&self, edition: EditionId, sector: SectorId, scenario: ScenarioId) -> Option<Listed<'_>> {
        let listing = self.sector(edition, sector)?;
        if let Some(written) = self.scenario(edition, sector, scenario) {
            return Some(Listed { listing, lines: written.lines, rule: written.rule, is_written: true });
        }
        let may_be = listing.scenarios == ScenariosKnown::NotAll && scenario != ScenarioId::OTHER;
        may_be.then_some(Listed { listing, lines: listing.lines, rule: listing.rule, is_written: false })
    }

    /// Returns the most persons of each class that the counters of a scenario may hold alone.
    pub fn alone_max(&self, own: OwnCounter) -> Headcount {
        let written = lookup(&self.lists.alone, &own).copied().unwrap_or_default();
        let unwritten = lookup(&self.lists.alone_unwritten, &(own.family, own.sector)).copied().unwrap_or_default();
        written.max(unwritten)
    }

    /// Returns the most persons of each class that all scenario counters of lists of these zones may hold alone.
    pub fn alone_max_of_zones(&self, zones: ZoneSet) -> Headcount {
        let of_zone = |zone: ZoneId| self.lists.alone_of_zone.get(zone.index()).map_or(&[][..], Vec::as_slice);
        let mut sum = Headcount::ZERO;
        for (index, zone) in zones.iter().enumerate() {
            for (family, alone_max) in of_zone(zone) {
                let mut earlier = zones.iter().take(index).flat_map(of_zone);
                if !earlier.any(|(known, _)| known == family) {
                    sum = sum + *alone_max;
                }
            }
        }
        sum
    }

    /// Works out [`Lists::alone_of_zone`]. The compiler does so when all lists and codes are known.
    pub fn sum_up_alone(&mut self) {
        let mut of_zone: Vec<Vec<(FamilyId, Headcount)>> = vec![Vec::new(); self.lists.zone_closure.len()];
        for edition in &self.lists.editions {
            let Some(families) = of_zone.get_mut(edition.zone.index()) else { continue };
            if families.iter().any(|(family, _)| *family == edition.family) {
                continue;
            }
            let mut zones = ZoneSet::EMPTY;
            zones.insert(edition.zone);
            let counters = self.counted_apart(zones, None, None).into_iter().filter(|own| own.family == edition.family);
            let sum = counters.fold(Headcount::ZERO, |sum, own| sum + self.alone_max(own));
            families.push((edition.family, sum));
        }
        self.lists.alone_of_zone = of_zone;
    }

    /// Returns the scenario counters that may hold exports which the national counters do not, of exporters in these
    /// zones and within a scope, whatever the date; ascending, each once. `None` in the scope: any.
    ///
    /// Where the lines of a sector hold for scenarios that are not written down, every scenario of the catalogue within
    /// the scope is named.
    pub fn counted_apart(
        &self,
        zones: ZoneSet,
        sector: Option<SectorId>,
        scenario: Option<ScenarioId>,
    ) -> Vec<OwnCounter> {
        let in_zones = self.lists.editions.iter().filter(|edition| zones.contains(edition.zone));
        let families: Vec<FamilyId> = in_zones.map(|edition| edition.family).collect();
        let is_within = |own: &OwnCounter| {
            families.contains(&own.family)
                && sector.is_none_or(|sector| sector == own.sector)
                && scenario.is_none_or(|scenario| scenario == own.scenario)
        };
        let written = self.lists.alone.iter().map(|(own, _)| *own);
        let catalogue =
            || (1..self.codes.scenarios.len()).filter_map(|number| u16::try_from(number).ok()).map(ScenarioId);
        let unwritten = self.lists.alone_unwritten.iter().flat_map(|((family, sector), _)| {
            catalogue().map(|scenario| OwnCounter { family: *family, sector: *sector, scenario })
        });
        let mut found: Vec<OwnCounter> = written.chain(unwritten).filter(is_within).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Returns the scenario counters whose persons belong to a group beside those of a route's own scenarios.
    pub fn counted_elsewhere(&self, route: &Route) -> impl Iterator<Item = OwnCounter> {
        let counters = self.counted_apart(route.group_zones, None, None).into_iter();
        counters.filter(|own| !route.apart().any(|apart| apart.own == *own))
    }

    /// Returns the clearances that an exporter holds for a recipient, whatever their scope and date.
    pub fn clearances(&self, exporter: ExporterId, recipient: RecipientId) -> &[ClearanceKey] {
        let keys = &self.registry.clearance_keys;
        let begin = keys.partition_point(|key| (key.0, key.1) < (exporter, recipient));
        let rest = keys.get(begin..).unwrap_or(&[]);
        let len = rest.partition_point(|key| (key.0, key.1) == (exporter, recipient));
        rest.get(..len).unwrap_or(&[])
    }

    /// Returns all clearances that an exporter holds.
    pub fn clearances_of(&self, exporter: ExporterId) -> impl Iterator<Item = ClearanceId> {
        let keys = &self.registry.clearance_keys;
        let begin = keys.partition_point(|key| key.0 < exporter);
        let rest = keys.get(begin..).unwrap_or(&[]);
        rest.iter().take_while(move |key| key.0 == exporter).map(|(_, _, id)| *id)
    }

    /// Returns a clearance by number.
    pub fn clearance(&self, id: ClearanceId) -> Option<&Clearance> {
        self.registry.clearances.get(id.index())
    }

    /// Returns an exporter by number.
    pub fn exporter(&self, id: ExporterId) -> Option<&Exporter> {
        self.registry.exporters.get(id.index())
    }

    /// Returns a flow by number.
    pub fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.registry.flows.get(id.index())
    }

    /// Returns a route of a flow by number.
    pub fn route(&self, id: RouteId) -> Option<&Route> {
        self.registry.routes.get(id.index())
    }

    /// Returns a zone and the zones that it lies within.
    pub fn zone_closure(&self, zone: ZoneId) -> ZoneSet {
        self.lists.zone_closure.get(zone.index()).copied().unwrap_or_default()
    }

    /// Returns the id of a rule.
    pub fn rule_id(&self, rule: RuleId) -> &str {
        self.rules.ids.word(rule.0)
    }

    /// Returns the id of a rule as bytes.
    pub fn rule_id_bytes(&self, rule: RuleId) -> &[u8] {
        self.rules.ids.word_bytes(rule.0)
    }

    /// Returns the citation of a rule.
    pub fn citation(&self, rule: RuleId) -> Option<&Text> {
        let citation = *self.rules.citation_of.get(rule.index())?;
        self.rules.citations.get(citation as usize)
    }

    /// Returns a next step by number.
    pub fn step(&self, step: StepId) -> Option<&NextStep> {
        self.rules.steps.get(step.index())
    }
}

fn lookup<'t, K: Ord, V>(table: &'t [(K, V)], key: &K) -> Option<&'t V> {
    let index = table.binary_search_by(|(candidate, _)| candidate.cmp(key)).ok()?;
    table.get(index).map(|(_, value)| value)
}

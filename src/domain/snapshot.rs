//! The snapshot: all policies, compiled and immutable, with a revision and a content digest.
//!
//! Codes are numbers, lists are tables, and time is divided into segments in which the same editions
//! are in force. So the cost of a decision does not depend on the size of the lists, and midnight needs
//! no reload. Only the policy compiler builds snapshots. A request uses one snapshot from beginning to
//! end.

use super::calendar::Calendar;
use super::clearance::{Clearance, ClearanceKey};
use super::gateway::table::Gateway;
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

/// All policies, as a server has them in force at one time.
///
/// ```
/// # use std::path::Path;
/// # use neglist::live::read::{ReadLimits, Selection, read};
/// # use neglist::policy::{self, Limits};
/// # let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"));
/// # let files = read(shipped, &ReadLimits::default(), Selection::Policies).unwrap().policies;
/// # let snapshot = policy::compile(&files, &Limits { entries_max: 2_000_000, depth_max: 32 }).snapshot.unwrap();
/// use neglist::domain::units::{Class, ItemId, Moment};
///
/// // `snapshot` has the shipped policies; 2026-06-01T00:00:00Z.
/// let now = Moment::from_seconds(1_780_272_000);
/// let national = snapshot.national_at(now).unwrap();
/// assert_eq!(&*national.id, "national-2024");
/// assert_eq!(national.lines.general.contract.from.get(), 100_000);
///
/// let diagnosis = snapshot.codes.items.get("health.diagnosis").map(ItemId).unwrap();
/// assert_eq!(snapshot.class_of(diagnosis), Class::Sensitive);
/// ```
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Number of the activation on this server; 0 before the first.
    pub revision: u64,
    /// Content digest of the policy files, `blake3:<hex>`.
    pub digest: Box<str>,
    /// Years of Asia/Shanghai.
    pub calendar: Calendar,
    /// Every code, by kind.
    pub codes: Codes,
    /// The lists and the data that they name.
    pub lists: Lists,
    /// Exporters, flows and clearances.
    pub registry: Registry,
    /// Rules and next steps that answers name.
    pub rules: Rules,
    /// The rules that label the requests of gateways.
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
    /// Names of kinds of data in the examples of lists; [`Lists::fields`] has the kinds by number.
    pub fields: Vocabulary,
}

/// The catalogue's facts about a kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemFacts {
    /// Its class.
    pub class: Class,
    /// The strictest class that the catalogue or any entry of any list gives it.
    pub strictest: Class,
    /// The entries that name it.
    ///
    /// Stored beside the class, because a request that reads one also reads the other.
    pub entries: Entries,
}

/// The entries that name a kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// One entry of one list. Most kinds of data have one.
    One(Named),
    /// A range of [`Lists::named`]; may be empty.
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

/// The lists and the data that they name.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Editions of the national rules, by date.
    pub nationals: Vec<National>,
    /// Editions of zone lists.
    pub editions: Vec<Edition>,
    /// Stretches of time in which the same editions are in force, by date, without gaps.
    pub segments: Vec<Segment>,
    /// For each zone, the zone itself and the zones that contain it.
    pub zone_closure: Vec<ZoneSet>,
    /// Cities that lie in the mainland part of the Greater Bay Area.
    pub greater_bay_area: CitySet,
    /// Facts about each kind of data, by number.
    pub items: Vec<ItemFacts>,
    /// The kind of data that each name in [`Codes::fields`] means.
    pub fields: Vec<ItemId>,
    /// Entries for items that several entries name, by item, then by edition.
    pub named: Vec<Named>,
    /// When entries apply.
    pub conditions: Vec<Condition>,
    /// Listed sectors, ascending by edition and sector.
    pub sectors: Vec<((EditionId, SectorId), SectorListing)>,
    /// Listed scenarios, ascending by edition, sector and scenario.
    pub scenarios: Vec<((EditionId, SectorId, ScenarioId), ScenarioListing)>,
    /// The most persons of each class that only the counters of a scenario may hold, over all editions of the family;
    /// ascending by counter. See [`Apart`](super::route::Apart). Scenarios with zero are left out.
    pub alone: Vec<(OwnCounter, Headcount)>,
    /// The same for the scenarios of a sector that the files do not write down.
    pub alone_unwritten: Vec<((FamilyId, SectorId), Headcount)>,
    /// For each zone, the families of its editions, each with the sum of the persons that only its counters may hold.
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
    /// The places with which a contract of the Greater Bay Area can be concluded.
    pub area: AreaSteps,
}

/// Next steps of the Greater Bay Area contract, by the place in which the recipient is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AreaSteps {
    /// For a recipient registered in Hong Kong; `None` if the contract cannot be concluded.
    pub hong_kong: Option<StepId>,
    /// For a recipient registered in Macao; `None` if the contract cannot be concluded.
    pub macao: Option<StepId>,
}

/// The exporters, flows and clearances that the operator registered.
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

/// The next step, and the authority for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NextStep {
    /// Procedure, such as `beijing-negative-list-filing`.
    pub procedure: Box<str>,
    /// The authority; `None` if it is not known.
    pub authority: Option<Text>,
    /// Text for users.
    pub text: Text,
}

/// The rules of an edition for a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'s> {
    /// The chapter of the sector.
    pub listing: &'s SectorListing,
    /// The lines of the scenario.
    pub lines: ListLines<ListLine>,
    /// The rule for the scenario, or for the sector if the scenario is not written down.
    pub rule: RuleId,
    /// Whether the scenario is written down.
    pub is_written: bool,
}

impl Snapshot {
    /// Returns the number of the segment in which the moment falls.
    ///
    /// A moment before the first edition falls in the first segment, in which no edition is in force.
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
        // A number outside the catalogue cannot occur; the strictest class is the safe answer.
        self.lists.items.get(item.index()).map_or(Class::Important, |facts| facts.class)
    }

    /// Returns the strictest class that the catalogue or any list gives to a kind of data.
    pub fn strictest_class_of(&self, item: ItemId) -> Class {
        self.lists.items.get(item.index()).map_or(Class::Important, |facts| facts.strictest)
    }

    /// Returns a code that a caller's own code resembles and that the catalogue or a list classes more strictly than the
    /// caller does. A code resembles another if it is one slip away, looks the same, or is a name for it in the examples of a
    /// list.
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

    /// Indexes the codes for [`Snapshot::stricter_code_like`] and the check of unregistered exporters. The compiler calls this
    /// when every class is known.
    pub fn index_slips(codes: &mut Codes, lists: &Lists) {
        let class = |item: ItemId| lists.items.get(item.index()).map_or(Class::Important, |facts| facts.strictest);
        // Non-personal is the mildest class, so no declared class is milder.
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

    /// Returns the rules of an edition for a sector.
    pub fn sector(&self, edition: EditionId, sector: SectorId) -> Option<&SectorListing> {
        lookup(&self.lists.sectors, &(edition, sector))
    }

    /// Returns the rules of an edition for a scenario of a sector.
    pub fn scenario(&self, edition: EditionId, sector: SectorId, scenario: ScenarioId) -> Option<&ScenarioListing> {
        lookup(&self.lists.scenarios, &(edition, sector, scenario))
    }

    /// Returns the rules of an edition for a scenario, if the edition lists it or may list it.
    ///
    /// If not all scenarios of the sector are known, a scenario that is not written down counts as listed,
    /// with the sector's lines. `other` never counts as listed.
    pub fn listed(&self, edition: EditionId, sector: SectorId, scenario: ScenarioId) -> Option<Listed<'_>> {
        let listing = self.sector(edition, sector)?;
        if let Some(written) = self.scenario(edition, sector, scenario) {
            return Some(Listed { listing, lines: written.lines, rule: written.rule, is_written: true });
        }
        let may_be = listing.scenarios == ScenariosKnown::NotAll && scenario != ScenarioId::OTHER;
        may_be.then_some(Listed { listing, lines: listing.lines, rule: listing.rule, is_written: false })
    }

    /// Returns the most persons of each class that only the counters of this scenario may hold.
    pub fn alone_max(&self, own: OwnCounter) -> Headcount {
        let written = lookup(&self.lists.alone, &own).copied().unwrap_or_default();
        let unwritten = lookup(&self.lists.alone_unwritten, &(own.family, own.sector)).copied().unwrap_or_default();
        written.max(unwritten)
    }

    /// Returns the most persons of each class that only the scenario counters of the lists of these zones may hold together.
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

    /// Computes [`Lists::alone_of_zone`]. The compiler calls this when all lists and codes are known.
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

    /// Returns the scenario counters that may hold exports that the national counters do not hold, for exporters in these
    /// zones and within a scope, regardless of dates; ascending, each once. `None` in the scope means any.
    ///
    /// If the lines of a sector apply to scenarios that are not written down, the result has every scenario of the catalogue
    /// within the scope.
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

    /// Returns the scenario counters, besides those of the route, whose persons also belong to a group.
    pub fn counted_elsewhere(&self, route: &Route) -> impl Iterator<Item = OwnCounter> {
        let counters = self.counted_apart(route.group_zones, None, None).into_iter();
        counters.filter(|own| !route.apart().any(|apart| apart.own == *own))
    }

    /// Returns the clearances that an exporter holds for a recipient, regardless of scope and date.
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

    /// Returns a zone and the zones that contain it.
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

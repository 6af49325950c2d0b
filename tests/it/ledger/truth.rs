//! The ledger and the totals that callers state, against the truth: all transfers that went out, added up from scratch.
//!
//! A caller that states the true totals, in whole or in part, never gets a milder answer than the ledger gives to a
//! caller without totals; and the counters equal the truth, important data included. `NEGLIST_TRUTH_OPERATIONS` is the
//! number of decisions and reservations, `NEGLIST_TRUTH_SEED` the seed of their choice.

use neglist::wire::generated::v1;

use crate::ledger::books::Books;
use crate::ledger::support::{Random, from_environment};

const OPERATIONS_DEFAULT: u64 = 8_000;
/// One reservation, one decision by the ledger alone, and one with and one without a ledger for each part of the totals.
const OPERATIONS_PER_STEP: u64 = 16;
/// Steps after which the totals are so large that every transfer is denied.
const STEPS_PER_LEDGER: u64 = 60;

const PHARMA: &str = "91110000EXAMPLE001";

/// A contract for all scenarios, an assessment for one, a filing, a certification without a cap.
const CLEARANCES: &str = "
  - {id: contract-wide, kind: contract, reference: x, exporter: 91110000EXAMPLE001, recipient: two, sector: any,
     scenario: any, items: [health.trial-subject-record, contact.email], covers_important_data: no,
     persons_per_year_max: {general: 90000, sensitive: 15000}, first_day: 2026-06-01, last_day: 2027-05-31}
  - {id: assessed-narrow, kind: assessment, reference: x, exporter: 91110000EXAMPLE001, recipient: three,
     sector: pharma, scenario: clinical-trial, items: [health.trial-subject-record, genetic.data, contact.email],
     covers_important_data: yes, persons_per_year_max: {general: 300000, sensitive: 40000},
     first_day: 2026-06-01, last_day: 2027-05-31}
  - {id: assessed-wide, kind: assessment, reference: x, exporter: 91110000EXAMPLE001, recipient: three,
     sector: pharma, scenario: any, items: [health.trial-subject-record, genetic.data, health.adverse-event],
     covers_important_data: yes, persons_per_year_max: {general: 0, sensitive: 60000},
     first_day: 2026-06-01, last_day: 2027-05-31}
  - {id: filed, kind: zone-filing, reference: x, exporter: 91110000EXAMPLE001, recipient: four, sector: pharma,
     scenario: clinical-trial, items: [health.trial-subject-record], covers_important_data: no, lists: [beijing-2025],
     persons_per_year_max: {general: 0, sensitive: 9000}, first_day: 2026-06-01, last_day: 2027-05-31}
  - {id: certified, kind: certification, reference: x, exporter: 91110000EXAMPLE001, recipient: five, sector: any,
     scenario: any, items: [health.trial-subject-record, contact.email], covers_important_data: no,
     persons_per_year_max: none, first_day: 2026-06-01, last_day: 2027-05-31}
";

/// A transfer that went out.
#[derive(Debug)]
struct Sent {
    in_trial: bool,
    persons: [u64; 2],
    required: v1::Outcome,
    clearance: String,
    on_ground: bool,
}

/// All transfers that went out, and their totals by the rules.
#[derive(Debug, Default)]
struct Truth(Vec<Sent>);

impl Truth {
    fn sum(&self, is_in: impl Fn(&Sent, usize) -> bool) -> [u64; 2] {
        let of = |class: usize| self.0.iter().filter(|sent| is_in(sent, class)).map(|sent| sent.persons[class]).sum();
        [of(0), of(1)]
    }

    /// Countable exports. The list has a lower line for sensitive information of clinical trials: transfers below it
    /// are not among them.
    fn national(&self) -> [u64; 2] {
        self.sum(|sent, class| {
            let is_general = class == 0;
            let is_under_mechanism = v1::Outcome::Contract <= sent.required;
            let is_free = sent.on_ground && sent.required == v1::Outcome::Allow;
            !is_free && (is_under_mechanism || !sent.in_trial || is_general)
        })
    }

    /// All transfers of clinical trials without a ground, of any kind of data.
    fn trial(&self) -> [u64; 2] {
        self.sum(|sent, _| sent.in_trial && !(sent.on_ground && sent.required == v1::Outcome::Allow))
    }

    fn clearance(&self, id: &str) -> [u64; 2] {
        self.sum(|sent, _| sent.clearance == id)
    }
}

fn persons([general, sensitive]: [u64; 2]) -> v1::Persons {
    v1::Persons { general, sensitive }
}

struct Walk {
    random: Random,
    books: Books,
    truth: Truth,
}

impl Walk {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.random.below(of.len() as u64)).unwrap()]
    }

    /// Draws a transfer with as many persons as some cap or line has left, or some more or fewer.
    fn transfer(&mut self) -> v1::Transfer {
        let recipient = self.pick(&["two", "three", "three", "four", "five", "six"]);
        let scenario = self.pick(&["clinical-trial", "clinical-trial", "other", "pharmacovigilance"]);
        let items: &[&str] = self.pick(&[
            &["health.trial-subject-record"][..],
            &["health.trial-subject-record"],
            &["genetic.data"],
            &["genetic.data", "health.trial-subject-record"],
            &["contact.email"],
            &["health.trial-subject-record", "contact.email"],
            &["health.adverse-event"],
        ]);
        let mut data: Vec<v1::DataItem> =
            items.iter().map(|code| v1::DataItem { code: (*code).into(), ..v1::DataItem::default() }).collect();
        if self.random.below(12) == 0 {
            data[0].data_class = v1::DataClass::Important.into();
        }
        let about = |general: bool| {
            let is_general = |code: &&str| *code == "contact.email";
            items.iter().any(|code| is_general(code) == general)
        };
        let sizes = [0, 1, 2, 500, 1_000, 5_000, 9_000, 9_999, 15_000, 30_000];
        let persons =
            [if about(true) { self.pick(&sizes) } else { 0 }, if about(false) { self.pick(&sizes) } else { 0 }];
        let ground = if self.random.below(10) == 0 { v1::Ground::Emergency } else { v1::Ground::Unspecified };
        v1::Transfer {
            exporter: PHARMA.into(),
            recipient: recipient.into(),
            destination: "CH".into(),
            sector: "pharma".into(),
            scenario: scenario.into(),
            data,
            persons: Some(self::persons(persons)),
            ground: ground.into(),
            export_zone: "beijing-ftz".into(),
            ..v1::Transfer::default()
        }
    }

    /// The true total that a caller may state for the clearances of a transfer: the largest of theirs.
    fn used(&self, transfer: &v1::Transfer) -> [u64; 2] {
        let ids: &[&str] = match transfer.recipient.as_str() {
            "two" => &["contract-wide"],
            "three" => &["assessed-narrow", "assessed-wide"],
            "four" => &["filed"],
            "five" => &["certified"],
            _ => &[],
        };
        let used = ids.iter().map(|id| self.truth.clearance(id));
        used.fold([0; 2], |most, used| [most[0].max(used[0]), most[1].max(used[1])])
    }

    /// Asks with true totals, in whole and in part, and compares with the answer of the ledger alone.
    async fn compare(&self, transfer: &v1::Transfer) -> v1::Outcome {
        let by_ledger = self.books.decide(transfer).await.unwrap();
        for stated in 1..8_u8 {
            let mut asked = transfer.clone();
            let states = |bit: u8, total| (stated & bit != 0).then(|| persons(total));
            asked.year_to_date = states(1, self.truth.national());
            asked.scenario_year_to_date = states(2, self.truth.trial());
            asked.clearance_year_to_date = states(4, self.used(transfer));
            let decision = self.books.decide(&asked).await.unwrap();
            assert_not_milder(&asked, &decision, &by_ledger);
            assert_eq!(decision.required(), by_ledger.required(), "{asked:#?}");
            // Without a ledger missing totals are asked for; an answer is at least as strict.
            if let Ok(decision) = self.books.decide_without_ledger(&asked).await {
                assert_not_milder(&asked, &decision, &by_ledger);
            }
        }
        by_ledger.outcome()
    }

    async fn step(&mut self) -> v1::Outcome {
        let transfer = self.transfer();
        let outcome = self.compare(&transfer).await;
        let v1::Decision { clearance, required, outcome: reserved, .. } =
            self.books.reserve(&transfer).await.decision.unwrap();
        assert_eq!(v1::Outcome::try_from(reserved), Ok(outcome), "{transfer:#?}");
        if outcome == v1::Outcome::Allow {
            let v1::Persons { general, sensitive } = transfer.persons.unwrap();
            let is_sensitive = transfer.data.iter().any(|item| item.code != "contact.email");
            self.truth.0.push(Sent {
                in_trial: transfer.scenario == "clinical-trial",
                persons: [general, sensitive.max(u64::from(is_sensitive))],
                required: required.try_into().unwrap(),
                clearance,
                on_ground: transfer.ground() == v1::Ground::Emergency,
            });
        }
        outcome
    }

    /// Compares the counters with the truth.
    async fn check_counters(&self) {
        let counters = [
            ("national", self.truth.national()),
            ("beijing/pharma/clinical-trial", self.truth.trial()),
            ("clearance/contract-wide", self.truth.clearance("contract-wide")),
            ("clearance/assessed-narrow", self.truth.clearance("assessed-narrow")),
            ("clearance/assessed-wide", self.truth.clearance("assessed-wide")),
            ("clearance/filed", self.truth.clearance("filed")),
        ];
        for (counter, [general, sensitive]) in counters {
            let counted = |class| format!("{counter}/{class}/2026");
            assert_eq!(self.books.counted(PHARMA, &counted("general")).await, general, "{counter}");
            assert_eq!(self.books.counted(PHARMA, &counted("sensitive")).await, sensitive, "{counter}");
        }
    }
}

#[track_caller]
fn assert_not_milder(asked: &v1::Transfer, decision: &v1::Decision, by_ledger: &v1::Decision) {
    let (got, least) = (decision.outcome(), by_ledger.outcome());
    assert!(least <= got, "{asked:#?}\nis {got:?}, and by the ledger {least:?}\n{decision:#?}\n{by_ledger:#?}");
}

#[tokio::test]
async fn true_totals_in_whole_or_in_part_never_give_a_milder_answer_than_the_ledger() {
    let steps = from_environment("NEGLIST_TRUTH_OPERATIONS", OPERATIONS_DEFAULT).div_ceil(OPERATIONS_PER_STEP);
    let seed = from_environment("NEGLIST_TRUTH_SEED", 1);
    let mut outcomes = [0_u64; 5];
    let policies = Books::with(CLEARANCES);
    for round in 0..steps.div_ceil(STEPS_PER_LEDGER) {
        let mut walk = Walk { random: Random(seed + round), books: policies.restarted(), truth: Truth::default() };
        for _ in 0..STEPS_PER_LEDGER {
            outcomes[walk.step().await as usize] += 1;
        }
        walk.check_counters().await;
    }
    println!("outcomes by number: {outcomes:?}");
    // A walk that never comes near an outcome proves nothing about it.
    assert!(outcomes[1..].iter().all(|count| steps < 60 * count), "{outcomes:?} of {steps}");
}

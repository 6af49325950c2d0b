//! The two evaluations agree for all policies and transfers that bytes can draw.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/generate/mod.rs"]
#[allow(dead_code, reason = "the properties use more of it")]
mod generate;
#[path = "../../tests/it/model/mod.rs"]
#[allow(dead_code, reason = "the properties use more of it")]
mod model;

use generate::dice::Dice;
use model::world::World;

fuzz_target!(|bytes: &[u8]| {
    let mut dice = Dice::Bytes(bytes);
    let policy = generate::policy::policy(&mut dice);
    let world = World::new(policy.files());
    for transfer in 0..16 {
        let query = generate::transfer::query(&mut dice, &policy);
        world.check(&query, &format!("the fuzzer's bytes, transfer {transfer}"));
    }
});

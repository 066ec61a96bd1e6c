//! For how long an instance of a plugin lives.

use crate::run::{Ran, Scene};
use crate::wat;

/// Answers with the number of records that this instance has seen, as one digit, and then
/// does this.
fn counts(more: &str) -> String {
    wat::map_with(
        "",
        "(global $seen (mut i32) (i32.const 0))",
        &format!(
            "(global.set $seen (i32.add (global.get $seen) (i32.const 1))) \
             (i32.store8 (i32.const 40) (i32.add (i32.const 48) \
               (i32.rem_u (global.get $seen) (i32.const 10)))) \
             {more} (call $some (i32.const 40) (i32.const 1))"
        ),
    )
}

fn over(plugin: &str, arguments: &str, text: &str) -> Ran {
    Scene::new().host(plugin).args("--workers 1").args(arguments).stdin(text).run()
}

#[test]
fn an_instance_lives_as_long_as_is_wanted() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n2\n3\n4\n5\n6\n");
    let ran = |arguments: &str| {
        let host = scene.host(&counts("")).args("--workers 1 --range-size 4 data.ndjson");
        host.args(arguments).run()
    };
    ran("").exits(0).writes("1\n2\n3\n4\n5\n6\n");
    ran("--isolate worker").exits(0).writes("1\n2\n3\n4\n5\n6\n");
    ran("--isolate range").exits(0).writes("1\n2\n1\n2\n1\n2\n");
    ran("--isolate record").exits(0).writes("1\n1\n1\n1\n1\n1\n");
}

#[test]
fn every_plugin_of_a_chain_is_isolated() {
    let scene = Scene::new();
    let text = "x\n".repeat(50);
    scene.file("counts.wat", counts("")).file("batch.wat", wat::batch());
    for chain in ["counts.wat --plugin batch.wat", "batch.wat --plugin counts.wat"] {
        let host = scene.bare().arg("--plugin").args(chain).args("--from ndjson --isolate record");
        let ran = host.args("--workers 1").stdin(&text).run();
        // Of each record that the batch makes two of, the one behind it sees both.
        let wanted = if chain.starts_with("counts") { "1\n1\n" } else { "1\n2\n" };
        ran.exits(0).writes(wanted.repeat(50));
    }
}

#[test]
fn a_reduce_keeps_its_state_for_a_range() {
    for isolate in ["worker", "range", "record"] {
        let arguments = format!("--from ndjson --isolate {isolate}");
        over(&wat::reduce(), &arguments, "1\n2\n3\n").exits(0).writes("1\n2\n3\n");
    }
}

#[test]
fn an_instance_that_has_grown_is_replaced() {
    // A long record makes the memory grow by 40 pages, past a quarter of 4 MiB.
    let grows = counts(
        "(if (i32.gt_u (local.get $length) (i32.const 2)) (then \
           (drop (memory.grow (i32.const 40)))))",
    );
    let text = "1 2 333 4 5 666 7";
    over(&grows, "--memory 8MiB", text).exits(0).writes("1\n2\n3\n1\n2\n3\n1\n");
    over(&grows, "", text).exits(0).writes("1\n2\n3\n4\n5\n6\n7\n");
}

#[test]
fn an_instance_that_is_large_from_the_beginning_stays() {
    // It grows at its first record, as one that loads a table does.
    let loads = counts(
        "(if (i32.eq (global.get $seen) (i32.const 1)) (then \
           (drop (memory.grow (i32.const 40)))))",
    );
    let ran = over(&loads, "--memory 8MiB", "1 2 3 4 5");
    ran.exits(0).writes("1\n2\n3\n4\n5\n");
}

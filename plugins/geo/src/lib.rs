//! Keeps records that lie within a distance of a point, or within a box.
//!
//! `--param near=47.38,8.54 --param within=25km` keeps what is at most 25 km from there, by
//! the great circle on a sphere of the earth's mean radius (up to 0.6 % off the true
//! distance); `--param box=45.8,5.9,47.9,10.5` what lies between two latitudes and two
//! longitudes (south, west, north, east). Both together keep what meets both. A record's
//! place is in its members `lat` and `lon`, or where those parameters say; numbers or texts
//! that hold nothing but one, in degrees. How a plugin is put together is explained in
//! `plugins/filter`.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;
mod place;
#[path = "../../shared/told.rs"]
mod told;

use std::sync::OnceLock;

use host::plugin::params;
use members::{Field, Search};
use place::{Area, Place};
use serde_json::value::RawValue;

wit_bindgen::generate!({
    path: "../../wit",
    world: "filter",
});

/// What becomes of a record without a place.
#[derive(Copy, Clone)]
enum Missing {
    Reject,
    Drop,
}

/// Which records are kept.
struct Geo {
    /// Finds the latitude and the longitude.
    search: Search,
    /// Their paths, as they are told.
    paths: [String; 2],
    areas: Vec<Area>,
    missing: Missing,
}

impl Geo {
    fn read() -> Result<Geo, String> {
        let path = |name: &str| {
            let path = params::get(name).unwrap_or_else(|| name.to_owned());
            Field::parse(&path).map_err(told::wrong(name)).map(|field| (path, field.path))
        };
        let (lat, lon) = (path("lat")?, path("lon")?);
        let mut areas = Vec::new();
        match (params::get("near"), params::get("within")) {
            (Some(near), Some(within)) => {
                let center = place::read_point(&near).map_err(told::wrong("near"))?;
                let metres = place::read_distance(&within).map_err(told::wrong("within"))?;
                areas.push(Area::Near { center, metres });
            }
            (None, None) => {}
            (Some(_), None) => return Err("`near` needs a distance: --param within=25km".into()),
            (None, Some(_)) => {
                return Err("`within` needs a point: --param near=47.38,8.54".into());
            }
        }
        if let Some(bounds) = params::get("box") {
            areas.push(place::read_box(&bounds).map_err(told::wrong("box"))?);
        }
        if areas.is_empty() {
            return Err("it has to be told where: --param near=47.38,8.54 --param within=25km, \
                        or --param box=45.8,5.9,47.9,10.5 (south, west, north, east)"
                .into());
        }
        let missing =
            told::choice("missing", &[("reject", Missing::Reject), ("drop", Missing::Drop)])?;
        let search = Search::new([&lat.1[..], &lon.1[..]]);
        Ok(Geo { search, paths: [lat.0, lon.0], areas, missing })
    }

    fn keeps(&self, record: &str) -> Result<bool, String> {
        let found = self.search.find(record, 2)?;
        let value = |value: Option<&RawValue>| {
            value.map(|value| value.get().to_owned()).filter(|value| value != "null")
        };
        let [lat, lon] = [0, 1].map(|at| found.get(at).copied().flatten()).map(value);
        match (lat, lon, self.missing) {
            (Some(lat), Some(lon), _) => {
                let place = Place::of_values(&lat, &lon)?;
                Ok(self.areas.iter().all(|area| area.contains(place)))
            }
            (_, _, Missing::Drop) => Ok(false),
            (_, _, Missing::Reject) => {
                let [lat, lon] = &self.paths;
                Err(format!(
                    "the record has no `{lat}` or no `{lon}`: --param lat=PATH and lon=PATH say \
                     where its place is, --param missing=drop leaves it out"
                ))
            }
        }
    }
}

struct Plugin;

impl Guest for Plugin {
    /// True for a record that lies there. An error for what is no JSON object, or lies
    /// nowhere.
    fn keep(record: String) -> Result<bool, String> {
        static GEO: OnceLock<Result<Geo, String>> = OnceLock::new();
        panics::report();
        GEO.get_or_init(Geo::read).as_ref().map_err(String::clone)?.keeps(&record)
    }
}

export!(Plugin);

//! Places on the earth, and what is near them.

/// The mean radius of the earth, in metres (that of the IUGG, 2a + b over 3).
const RADIUS: f64 = 6_371_008.8;

/// A place, in degrees.
#[derive(Copy, Clone)]
pub struct Place {
    lat: f64,
    lon: f64,
}

/// Where a record has to lie.
pub enum Area {
    Near {
        center: Place,
        metres: f64,
    },
    /// The corners in the south-west and the north-east. Where the first one lies further
    /// east than the second, the box goes over the line at 180 degrees.
    Box {
        first: Place,
        second: Place,
    },
}

impl Place {
    fn new(lat: f64, lon: f64) -> Result<Place, String> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(format!("{lat} is no latitude from -90 to 90"));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(format!("{lon} is no longitude from -180 to 180"));
        }
        Ok(Place { lat, lon })
    }

    /// From what stands in a record, in JSON.
    pub fn of_values(lat: &str, lon: &str) -> Result<Place, String> {
        let degrees = |value: &str| {
            let number = match serde_json::from_str::<String>(value) {
                Ok(text) => serde_json::from_str(&text),
                Err(_) => serde_json::from_str::<f64>(value),
            };
            number.map_err(|_| format!("{value} is no number of degrees"))
        };
        Place::new(degrees(lat)?, degrees(lon)?)
    }

    /// Metres to another place, by the great circle: the haversine formula, which is exact
    /// for small distances too.
    fn metres_to(self, other: Place) -> f64 {
        let [north, east] =
            [other.lat - self.lat, other.lon - self.lon].map(|way| (way.to_radians() / 2.0).sin());
        let [here, there] = [self.lat, other.lat].map(|lat| lat.to_radians().cos());
        let share = north * north + here * there * east * east;
        2.0 * RADIUS * share.sqrt().min(1.0).asin()
    }
}

impl Area {
    pub fn contains(&self, place: Place) -> bool {
        match self {
            Area::Near { center, metres } => center.metres_to(place) <= *metres,
            Area::Box { first, second } => {
                let [from_west, to_east] = [place.lon >= first.lon, place.lon <= second.lon];
                let between = match first.lon <= second.lon {
                    true => from_west && to_east,
                    false => from_west || to_east,
                };
                between && (first.lat..=second.lat).contains(&place.lat)
            }
        }
    }
}

/// A point written `47.38,8.54`: latitude, longitude.
pub fn read_point(text: &str) -> Result<Place, String> {
    match *numbers(text)? {
        [lat, lon] => Place::new(lat, lon),
        _ => Err(format!("`{text}` is no point like 47.38,8.54 (latitude, longitude)")),
    }
}

/// A box written `45.8,5.9,47.9,10.5`: south, west, north, east.
pub fn read_box(text: &str) -> Result<Area, String> {
    let [south, west, north, east] = *numbers(text)? else {
        return Err(format!(
            "`{text}` is no box like 45.8,5.9,47.9,10.5 (south, west, north, east)"
        ));
    };
    if south > north {
        return Err(format!("its south, {south}, lies further north than its north, {north}"));
    }
    Ok(Area::Box { first: Place::new(south, west)?, second: Place::new(north, east)? })
}

/// A distance like `25km`, in metres.
pub fn read_distance(text: &str) -> Result<f64, String> {
    let units = [("km", 1000.0), ("mi", 1609.344), ("m", 1.0)];
    let metres = units.iter().find_map(|(unit, metres)| {
        let number = text.strip_suffix(unit)?.trim_end().parse::<f64>().ok()?;
        Some(number * metres)
    });
    match metres {
        Some(metres) if metres >= 0.0 && metres.is_finite() => Ok(metres),
        _ => Err(format!("`{text}` is no distance like 25km, 500m or 10mi")),
    }
}

fn numbers(text: &str) -> Result<Box<[f64]>, String> {
    let number = |part: &str| {
        part.trim().parse().map_err(|_| format!("`{part}` in `{text}` is no number of degrees"))
    };
    text.split(',').map(number).collect()
}

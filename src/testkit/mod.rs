//! For those who write a store, or test an application that uses one.
//!
//! - [`conformance`]: the suite that every store must pass.
//! - [`Flawed`]: stores with one [`Flaw`] each, to see a test fail that should.
//! - [`Faulty`]: any store, failing on demand: errors, delays, lost replies, races.
//! - [`SimulatedClock`]: a clock that stands still until it is told to move.
//! - [`Model`]: a store that is plainly right, to compare with.
//!
//! The suite of a store of your own is one test. It wants a runtime with several threads:
//! where nothing happens at once it fails and says so.
//!
//! ```
//! use sessile::testkit::{Model, conformance};
//!
//! #[tokio::main] // in a test: #[tokio::test(flavor = "multi_thread")]
//! async fn main() {
//!     conformance::run(async || Model::new()).await.assert();
//! }
//! ```

mod clock;
pub mod conformance;
mod faulty;
mod flawed;
mod model;
mod pause;
mod sample;
mod shelf;

pub use self::clock::SimulatedClock;
pub use self::faulty::{Calls, Fault, Faulty, Operation};
pub use self::flawed::{Flaw, Flawed};
pub use self::model::Model;
use self::pause::give_way;
pub use self::sample::{Nest, Sample};

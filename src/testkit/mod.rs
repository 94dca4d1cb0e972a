//! temporary
mod clock;
pub use clock::SimulatedClock;

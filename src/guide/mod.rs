//! The chapters that are about more than one type.
//!
//! 1. [Defaults, and why](defaults_and_why): every default, where it comes from, how to change it,
//!    and which failures elsewhere it answers to.
//! 2. [Choosing a store](choosing_a_store): what survives, who shares it, what it costs; caching,
//!    encryption, and what to do at three in the morning.
//! 3. [Who may pass](who_may_pass): verifiers, guards, step-up, other sites, audits.
//! 4. [Testing your app](testing_your_app): without sockets, and with the clock in your hand.
//! 5. [Writing a store](writing_a_store): the contract, a complete store, the conformance suite.
//! 6. [Moving from tower-sessions](moving_from_tower_sessions): what is called what, and what
//!    behaves differently.
//!
//! Every example in them is run by the tests.

pub mod choosing_a_store {
    #![doc = include_str!("choosing_a_store.md")]
}
pub mod defaults_and_why {
    #![doc = include_str!("defaults_and_why.md")]
}
pub mod moving_from_tower_sessions {
    #![doc = include_str!("moving_from_tower_sessions.md")]
}
pub mod testing_your_app {
    #![doc = include_str!("testing_your_app.md")]
}
pub mod who_may_pass {
    #![doc = include_str!("who_may_pass.md")]
}
pub mod writing_a_store {
    #![doc = include_str!("writing_a_store.md")]
}

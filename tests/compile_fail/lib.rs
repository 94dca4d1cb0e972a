//! Nothing: the cases are in `cases`, and `compile_fail.rs` compiles them.

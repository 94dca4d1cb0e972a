//! Mistakes that types prevent. Each file in `cases` says what is wrong in it and must not compile;
//! the `.stderr` beside it is what a reader of the compiler's message gets. After a change of
//! wording or of the compiler: `TRYBUILD=overwrite cargo test -p sessile-compile-fail`, and read
//! what has changed.

#[test]
fn mistakes_do_not_compile_and_the_compiler_says_what_to_do() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}

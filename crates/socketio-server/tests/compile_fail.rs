//! A handler with a wrong signature is told what is wrong, in words.

#[test]
fn a_wrong_handler_gets_a_readable_message() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

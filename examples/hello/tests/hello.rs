//! The handler in the sandbox, in virtual time: the minute takes no real time.

use durawasm_testing::{LocalDurableTestRunner, TestError};

#[tokio::test]
async fn greets_after_a_minute() -> Result<(), TestError> {
    let runner = LocalDurableTestRunner::from_crate(env!("CARGO_MANIFEST_DIR"))?;
    let result = runner.run("World").await?;
    assert_eq!(result.get_result_as::<String>()?, "Hello, World!");
    assert_eq!(result.get_invocations().len(), 2); // until the wait, and after it
    Ok(())
}

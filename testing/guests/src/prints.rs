//! Output whose last line does not end.

use std::time::Duration;

use durawasm_guest::{BoxError, DurableContext};

/// Event: how it ends, "returns" or "panics". Prints parts of lines between operations, in bodies, before a suspension and at its
/// end, to both streams.
#[allow(clippy::panic, clippy::print_stdout, clippy::print_stderr)]
pub async fn prints_parts(how: String, ctx: DurableContext) -> Result<(), BoxError> {
    print!("one");
    eprint!("first");
    ctx.step(|_| async {
        print!("in a body");
        eprint!("error in a body");
        Ok(())
    })
    .await?;
    print!(", two");
    ctx.wait(Duration::from_secs(1)).await?;
    eprint!("between");
    print!("three");
    ctx.step(|_| async { Ok(()) }).await?;
    print!(" and four");
    if how == "panics" {
        print!(", last words");
        panic!("at the end");
    }
    Ok(())
}

/// Event: whether it fails. The same in a plain function.
#[allow(clippy::print_stdout, clippy::print_stderr)]
pub fn plain_prints(fails: bool) -> Result<(), BoxError> {
    print!("no end");
    eprint!("no end of an error");
    if fails { Err("as it was told".into()) } else { Ok(()) }
}

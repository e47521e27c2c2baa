//! "Custom serialization".

use durable::serdes::SerdesContext;
use durable::{DurableContext, Serdes};
use durawasm_guest as durable;

struct Base64JsonSerdes;

impl<T> Serdes<T> for Base64JsonSerdes
where
    T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
{
    async fn serialize(&self, value: T, _context: SerdesContext) -> Result<String, durable::BoxError> {
        use std::io::Write;
        let json = serde_json::to_vec(&value)?;
        let mut buf = Vec::new();
        let engine = base64::engine::general_purpose::STANDARD;
        {
            let mut encoder = base64::write::EncoderWriter::new(&mut buf, &engine);
            encoder.write_all(&json)?;
            encoder.finish()?;
        }
        Ok(String::from_utf8(buf)?)
    }

    async fn deserialize(&self, wire: String, _context: SerdesContext) -> Result<T, durable::BoxError> {
        use std::io::Read;
        let engine = base64::engine::general_purpose::STANDARD;
        let mut decoder = base64::read::DecoderReader::new(wire.as_bytes(), &engine);
        let mut json = Vec::new();
        decoder.read_to_end(&mut json)?;
        Ok(serde_json::from_slice(&json)?)
    }
}

pub async fn custom_serdes(
    _event: serde_json::Value,
    ctx: DurableContext,
) -> Result<(String, u32), durable::BoxError> {
    let shared = std::sync::Arc::new(Base64JsonSerdes);
    let a: String = ctx.step(|_| async { Ok("a".to_owned()) }).serdes(std::sync::Arc::clone(&shared)).await?;
    let b: u32 = ctx.step(|_| async { Ok(7_u32) }).serdes(shared).await?;
    Ok((a, b))
}

/// Event: where the directory is (in the README `/mnt/efs`), and how long the step's result is. Result: how long it is
/// after a wait.
pub async fn file_system_serdes(
    (base, length): (String, usize),
    ctx: DurableContext,
) -> Result<usize, durable::BoxError> {
    use durable::serdes::{FileSystemSerdes, FileSystemSerdesConfig, FileSystemSerdesMode};

    let serdes = FileSystemSerdes::with_config(
        base,
        FileSystemSerdesConfig::builder().storage_mode(FileSystemSerdesMode::Overflow).build(),
    );
    let text = ctx.step(move |_| async move { Ok("x".repeat(length)) }).name("large").serdes(serdes).await?;
    ctx.wait(std::time::Duration::from_secs(1)).await?;
    Ok(text.len())
}

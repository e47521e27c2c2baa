//! The serdes that stores values in files.

use std::fs;
use std::future::{Future, ready};
use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::config::{FileSystemPathEncoding, FileSystemSerdesConfig, FileSystemSerdesMode};
use super::envelope::{Header, Inline, VERSION, envelope};
use super::error::{FileSystemSerdesError, because};
use super::files::{make_dir, write_new_file};
use super::names::{arn_parts, percent_encoded};
use crate::error::BoxError;
use crate::serdes::{PayloadOrigin, Serdes, SerdesContext, json};

/// Stores values as JSON in files, and records the names of the files: for values that are too large to record.
///
/// The files must exist as long as the execution, wherever it is resumed. A component can use only the folders that its
/// host grants. Reading and writing blocks the handler.
///
/// **Recorded payload.** An envelope, marked by the key `__aws_durable_serdes`: with the value (kind `inline`), or with
/// the name of a file relative to the base path (kind `file`). A value that looks like an envelope is not treated as
/// one.
///
/// **References.** A file name is used only in payloads that this serdes created. Payloads from outside
/// ([`PayloadOrigin::External`]: a callback's answer, another function's result) are deserialized as the value itself,
/// even if they look like an envelope. A file has to be below the base path, with no symbolic link on the path; the
/// base path itself may be one.
///
/// **Files.** Each value has a new file, which is complete before its name is recorded, and never written again. Files
/// of attempts that were not recorded remain: nothing removes files.
///
/// # Errors
///
/// A [`FileSystemSerdesError`] if a file cannot be written or read, if it has a value of another type, or if a recorded
/// payload is not an envelope or has another version.
///
/// # Examples
///
/// ```
/// # use durawasm_guest::{BoxError, DurableContext};
/// use durawasm_guest::serdes::{FileSystemSerdes, FileSystemSerdesConfig, FileSystemSerdesMode};
///
/// # async fn handler(ctx: DurableContext) -> Result<(), BoxError> {
/// let overflow = FileSystemSerdesConfig::builder().storage_mode(FileSystemSerdesMode::Overflow).build();
/// let report: String = ctx
///     .step(|_| async { Ok("long ".repeat(100_000)) })
///     .name("report")
///     .serdes(FileSystemSerdes::with_config("/scratch", overflow))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileSystemSerdes {
    base: PathBuf,
    config: FileSystemSerdesConfig,
}

impl FileSystemSerdes {
    /// Stores every value in a file below this folder, which is created if it does not exist.
    #[must_use]
    pub fn new(base_path: impl Into<String>) -> Self {
        Self::with_config(base_path, FileSystemSerdesConfig::default())
    }

    /// Stores values below this folder according to the configuration.
    #[must_use]
    pub fn with_config(base_path: impl Into<String>, config: FileSystemSerdesConfig) -> Self {
        Self { base: PathBuf::from(base_path.into()), config }
    }

    fn write<T: Serialize>(
        &self,
        value: &T,
        context: &SerdesContext,
    ) -> Result<String, FileSystemSerdesError> {
        let json = json::text(value).map_err(because("the value has no JSON"))?;
        if self.config.storage_mode == FileSystemSerdesMode::Overflow {
            let inline = envelope("inline", "value", &json);
            if inline.len() <= self.config.overflow_threshold_bytes {
                return Ok(inline);
            }
        }
        let name = self.store(&json, context)?;
        let name = serde_json::to_string(&name).map_err(because("the file's name has no JSON"))?;
        Ok(envelope("file", "file", &name))
    }

    fn read<T: DeserializeOwned>(
        &self,
        payload: &str,
        context: &SerdesContext,
    ) -> Result<T, FileSystemSerdesError> {
        if context.origin() == PayloadOrigin::External {
            return serde_json::from_str(payload).map_err(because("what came from outside does not fit"));
        }
        let header: Header = serde_json::from_str(payload)
            .map_err(because("the record is no envelope of this serdes, which did not write it"))?;
        if header.marker.version != VERSION {
            let version = header.marker.version;
            return Err(FileSystemSerdesError::new(format!(
                "the record is an envelope of version {version}, and this is for version {VERSION}"
            )));
        }
        match (&*header.marker.kind, header.file) {
            ("inline", _) => {
                let inline: Inline<T> =
                    serde_json::from_str(payload).map_err(because("the recorded value does not fit"))?;
                inline.value.ok_or_else(|| FileSystemSerdesError::new("the envelope holds no value"))
            }
            ("file", Some(name)) => {
                let json = self.load(&name)?;
                serde_json::from_str(&json).map_err(because(format!("what is in file {name:?} does not fit")))
            }
            ("file", None) => Err(FileSystemSerdesError::new("the envelope names no file")),
            (kind, _) => Err(FileSystemSerdesError::new(format!("the envelope is of unknown kind {kind:?}"))),
        }
    }

    /// Writes a text to a new file. Returns the file's name relative to the base path.
    fn store(&self, json: &str, context: &SerdesContext) -> Result<String, FileSystemSerdesError> {
        let folders = self.folders(context.durable_execution_arn());
        let mut dir = self.base.clone();
        fs::create_dir_all(&dir).map_err(because(format!(
            "the base path {} is no folder and cannot be made one; a component has the folders that its host grants",
            dir.display()
        )))?;
        for folder in &folders {
            dir.push(folder);
            make_dir(&dir)?;
        }
        let name = write_new_file(&dir, &self.segment(context.operation_id()), json)
            .map_err(because(format!("a file in {} cannot be written", dir.display())))?;
        Ok(format!("{}/{name}", folders.join("/")))
    }

    /// Returns the content of the file with a recorded name.
    fn load(&self, name: &str) -> Result<String, FileSystemSerdesError> {
        let mut path = self.base.clone();
        for component in Path::new(name).components() {
            let Component::Normal(part) = component else {
                return Err(FileSystemSerdesError::new(format!("file {name:?} is not below the base path")));
            };
            path.push(part);
            let found =
                fs::symlink_metadata(&path).map_err(because(format!("file {name:?} cannot be found")))?;
            if found.is_symlink() {
                return Err(FileSystemSerdesError::new(format!(
                    "file {name:?} is reached by a symbolic link, which may lead out of the base path"
                )));
            }
        }
        fs::read_to_string(&path).map_err(because(format!("file {name:?} cannot be read")))
    }

    /// The folders of an execution, relative to the base path.
    fn folders(&self, arn: &str) -> Vec<String> {
        let parts = match self.config.path_encoding {
            FileSystemPathEncoding::Uri => arn_parts(arn),
            FileSystemPathEncoding::Hash => None,
        };
        match parts {
            Some(parts) => parts.map(|part| self.segment(part)).into(),
            None => vec![self.segment(arn)],
        }
    }

    /// Converts a name to one component of a path: never empty, `.` or `..`, and without separators.
    fn segment(&self, name: &str) -> String {
        match self.config.path_encoding {
            FileSystemPathEncoding::Hash => {
                blake2b_simd::Params::new().hash_length(32).hash(name.as_bytes()).to_hex().to_string()
            }
            FileSystemPathEncoding::Uri => percent_encoded(name),
        }
    }
}

impl<T> Serdes<T> for FileSystemSerdes
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    fn serialize(
        &self,
        value: T,
        context: SerdesContext,
    ) -> impl Future<Output = Result<String, BoxError>> + Send {
        ready(self.write(&value, &context).map_err(Into::into))
    }

    fn deserialize(
        &self,
        payload: String,
        context: SerdesContext,
    ) -> impl Future<Output = Result<T, BoxError>> + Send {
        ready(self.read(&payload, &context).map_err(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::error::Error;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-1:123:function:import:$LATEST/durable-execution/night run/7f-3";

    fn serdes(base: &Path, config: FileSystemSerdesConfig) -> FileSystemSerdes {
        FileSystemSerdes::with_config(base.to_str().unwrap(), config)
    }

    fn step() -> SerdesContext {
        SerdesContext::new("op-1", ARN)
    }

    fn overflow(bytes: usize) -> FileSystemSerdesConfig {
        FileSystemSerdesConfig::builder()
            .storage_mode(FileSystemSerdesMode::Overflow)
            .overflow_threshold_bytes(bytes)
            .build()
    }

    /// The files below a folder, relative to it.
    fn files(base: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut dirs = vec![base.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    found.insert(path.strip_prefix(base).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found
    }

    fn named(payload: &str) -> String {
        let envelope: Value = serde_json::from_str(payload).unwrap();
        assert_eq!(envelope["__aws_durable_serdes"], json!({"version": 1, "kind": "file"}));
        envelope["file"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_value_is_in_a_file_and_the_record_names_it() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().join("made/on/demand");
        let serdes = serdes(&base, FileSystemSerdesConfig::default());
        let payload = serdes.write(&json!({"file": "no reference"}), &step()).unwrap();
        let name = named(&payload);
        assert!(name.starts_with("import/night%20run/7f-3/op-1-"), "{name}");
        assert_eq!(files(&base), BTreeSet::from([name]));
        assert_eq!(serdes.read::<Value>(&payload, &step()).unwrap(), json!({"file": "no reference"}));
    }

    #[test]
    fn a_file_is_never_written_again() {
        let base = tempfile::tempdir().unwrap();
        let serdes = serdes(base.path(), FileSystemSerdesConfig::default());
        let wires: Vec<String> = (0..50).map(|n| serdes.write(&n, &step()).unwrap()).collect();
        let names: BTreeSet<String> = wires.iter().map(|payload| named(payload)).collect();
        assert_eq!(names, files(base.path()), "fifty files, and nothing left over");
        for (n, payload) in wires.iter().enumerate() {
            assert_eq!(serdes.read::<usize>(payload, &step()).unwrap(), n);
        }
    }

    #[test]
    fn small_values_are_in_the_record_where_only_large_ones_overflow() {
        let base = tempfile::tempdir().unwrap();
        let inline = r#"{"__aws_durable_serdes":{"version":1,"kind":"inline"},"value":"12"}"#;
        let serdes = serdes(base.path(), overflow(inline.len()));
        assert_eq!(serdes.write(&"12", &step()).unwrap(), inline);
        assert_eq!(serdes.read::<String>(inline, &step()).unwrap(), "12");
        let payload = serdes.write(&"123", &step()).unwrap();
        assert_eq!(files(base.path()), BTreeSet::from([named(&payload)]));
        assert_eq!(serdes.read::<String>(&payload, &step()).unwrap(), "123");
        // Null is a value.
        let null = serdes.write(&None::<u32>, &step()).unwrap();
        assert_eq!(serdes.read::<Option<u32>>(&null, &step()).unwrap(), None);
        serdes.read::<()>(&null, &step()).unwrap();
    }

    #[test]
    fn names_can_be_digests() {
        let base = tempfile::tempdir().unwrap();
        let config = FileSystemSerdesConfig::builder().path_encoding(FileSystemPathEncoding::Hash).build();
        let serdes = serdes(base.path(), config);
        let payload = serdes.write(&1, &step()).unwrap();
        let name = named(&payload);
        let (folder, file) = name.split_once('/').unwrap();
        let hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(hex(folder) && hex(file.split_once('-').unwrap().0), "{name}");
        assert_eq!(serdes.read::<u32>(&payload, &step()).unwrap(), 1);
    }

    #[test]
    fn a_payload_from_outside_is_never_a_reference() {
        let base = tempfile::tempdir().unwrap();
        let serdes = serdes(base.path(), FileSystemSerdesConfig::default());
        let payload = serdes.write(&"secret", &step()).unwrap();
        let outside = step().with_origin(PayloadOrigin::External);
        let read: Value = serdes.read(&payload, &outside).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(&payload).unwrap(), "it is the value");
    }

    #[test]
    fn no_record_leads_out_of_the_base_path() {
        let top = tempfile::tempdir().unwrap();
        let base = top.path().join("base");
        fs::create_dir_all(base.join("real")).unwrap();
        fs::write(top.path().join("secret"), "1").unwrap();
        fs::write(base.join("real/fine"), "1").unwrap();
        std::os::unix::fs::symlink(top.path(), base.join("out")).unwrap();
        std::os::unix::fs::symlink(base.join("real/fine"), base.join("link")).unwrap();
        let serdes = serdes(&base, FileSystemSerdesConfig::default());
        let read =
            |name: &str| serdes.read::<u32>(&envelope("file", "file", &json!(name).to_string()), &step());
        assert_eq!(read("real/fine").unwrap(), 1);
        let absolute = top.path().join("secret");
        for name in [
            "../secret",
            "real/../../secret",
            "out/secret",
            "link",
            absolute.to_str().unwrap(),
            "gone",
            "real",
            "",
        ] {
            let error = read(name).unwrap_err();
            assert!(error.to_string().starts_with("filesystem serdes error: "), "{name}: {error:#}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_is_not_followed() {
        let top = tempfile::tempdir().unwrap();
        let base = top.path().join("base");
        fs::create_dir_all(&base).unwrap();
        fs::create_dir_all(top.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(top.path().join("elsewhere"), base.join("import")).unwrap();
        let serdes = serdes(&base, FileSystemSerdesConfig::default());
        let error = serdes.write(&1, &step()).unwrap_err();
        assert!(error.to_string().contains("is no folder"), "{error:#}");
        assert!(files(&top.path().join("elsewhere")).is_empty());
    }

    #[test]
    fn a_payload_that_is_not_an_envelope_is_an_error() {
        let base = tempfile::tempdir().unwrap();
        let serdes = serdes(base.path(), FileSystemSerdesConfig::default());
        let marked = |version: u32, kind: &str| json!({"version": version, "kind": kind});
        for (payload, says) in [
            (json!(7), "no envelope"),
            (json!({"file": "x"}), "no envelope"),
            (json!({"__aws_durable_serdes": marked(2, "file"), "file": "x"}), "version 2"),
            (json!({"__aws_durable_serdes": marked(1, "url"), "file": "x"}), "unknown kind \"url\""),
            (json!({"__aws_durable_serdes": marked(1, "file")}), "names no file"),
            (json!({"__aws_durable_serdes": marked(1, "inline")}), "holds no value"),
            (json!({"__aws_durable_serdes": marked(1, "inline"), "value": "x"}), "does not fit"),
        ] {
            let error = serdes.read::<u32>(&payload.to_string(), &step()).unwrap_err();
            assert!(error.to_string().contains(says), "{payload}: {error}");
        }
    }

    #[test]
    fn a_base_path_that_cannot_be_made_is_an_error() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        fs::write(&file, "").unwrap();
        let error =
            serdes(&file.join("below"), FileSystemSerdesConfig::default()).write(&1, &step()).unwrap_err();
        assert!(error.to_string().contains("the folders that its host grants"), "{error:#}");
        assert!(error.source().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_names_make_a_path_below_the_base(arn in ".{0,60}", operation in ".{0,60}", hash in any::<bool>()) {
            let base = tempfile::tempdir().unwrap();
            let encoding = if hash { FileSystemPathEncoding::Hash } else { FileSystemPathEncoding::Uri };
            let config = FileSystemSerdesConfig::builder().path_encoding(encoding).build();
            let serdes = serdes(base.path(), config);
            let segment = serdes.segment(&operation);
            prop_assert!(!segment.is_empty() && segment != "." && segment != ".." && !segment.contains('/'));
            prop_assume!(segment.len() < 200 && serdes.folders(&arn).iter().all(|folder| folder.len() < 200));
            let context = SerdesContext::new(operation, arn);
            let payload = serdes.write(&"kept", &context).unwrap();
            prop_assert_eq!(serdes.read::<String>(&payload, &context).unwrap(), "kept");
        }
    }
}

//! Tests of the plain values of invocations: log lines, isolation, disk quotas and grants.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Access, Disk, DiskQuota, Grants, HttpGrant, HttpHost, Isolation, LogBuffer, LogLevel, LogLine, LogSink,
    LogSource, Space, only_reads,
};
use crate::protocol::OperationId;
use crate::time::Timestamp;

fn line(message: &str, fields: &[(&str, &str)], operation: Option<&str>) -> LogLine {
    LogLine {
        time: Timestamp::from_millis(0),
        level: LogLevel::Info,
        source: LogSource::Log,
        message: message.to_owned(),
        fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        operation: operation.map(OperationId::from),
        replayed: false,
        execution: "e".into(),
        invocation_id: Arc::from("i"),
    }
}

#[test]
fn a_line_counts_its_texts_and_something_for_each_part() {
    let size = |line: LogLine| line.size();
    let empty = size(line("", &[], None));
    assert_eq!(empty, LogLine::LINE);
    assert_eq!(size(line("12345", &[], None)), empty + 5);
    assert_eq!(size(line("", &[], Some("1234567"))), empty + 7);
    assert_eq!(size(line("", &[("abc", "12345")], None)), empty + 16 + 3 + 5);
    assert_eq!(size(line("1", &[("a", "1"), ("b", "12")], Some("i"))), empty + 1 + 18 + 19 + 1);
}

#[test]
fn what_is_kept_of_a_line_is_at_least_its_memory_and_not_much_more() {
    /// What an allocation takes beside its bytes.
    const ALLOCATION: usize = 16;
    for count in [0, 1, 2, 100] {
        let line = line("message", &vec![("name", "value"); count], None);
        let text = |text: &String| text.len() + ALLOCATION;
        let texts = line.fields.iter().map(|(name, value)| text(name) + text(value)).sum::<usize>();
        let fields = ALLOCATION + count * 2 * size_of::<String>() + texts;
        // Lists that grow have room for more lines than they have.
        let memory = size_of::<LogLine>() * 3 / 2 + text(&line.message) + fields;
        let kept = line.kept();
        assert!((memory..memory + 100 + 32 * count).contains(&kept), "{kept} for {memory}");
    }
}

#[test]
fn a_line_shows_its_fields_quoted_where_they_have_spaces_or_quotes() {
    use LogLevel::{Debug, Error, Info, Trace, Warn};
    let fields = [("plain", "1"), ("spaced", "a b"), ("quoted", "\"")];
    assert_eq!(line("said", &fields, None).text(), r#"said plain=1 spaced="a b" quoted="\"""#);
    assert_eq!(line("said", &[], None).text(), "said");
    let names = [Trace, Debug, Info, Warn, Error].map(LogLevel::as_str);
    assert_eq!(names, ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]);
}

#[test]
fn a_buffer_keeps_the_lines_that_are_not_replayed_and_says_so() {
    struct Printer;
    impl LogSink for Printer {
        fn write(&self, _: LogLine) {}
    }
    let buffer = LogBuffer::default();
    for (message, replayed) in [("new", false), ("old", true)] {
        let line = LogLine { replayed, ..line(message, &[], None) };
        assert_eq!(buffer.keeps(&line), !replayed);
        assert!(Printer.keeps(&line), "a sink is charged for unless it says otherwise");
        buffer.write(line);
    }
    let kept: Vec<_> = buffer.take().into_iter().map(|line| line.message).collect();
    assert_eq!(kept, ["new"]);
    assert!(buffer.take().is_empty());
}

#[test]
fn isolation_is_read_as_it_is_written() {
    for (text, isolation) in [("invocation", Isolation::Invocation), ("step", Isolation::Step)] {
        assert_eq!((text.parse(), isolation.to_string()), (Ok(isolation), text.to_owned()));
    }
    assert!("Step".parse::<Isolation>().unwrap_err().contains("`invocation` or `step`"));
}

#[test]
fn space_is_short_from_more_than_half_of_either_quota_on() {
    let cases = [
        ((50, 5), false),
        ((51, 0), true),
        ((0, 6), true),
        ((3, 1), false),
        ((50, 6), true),
        ((51, 5), true),
    ];
    for ((bytes, files), short) in cases {
        let disk = Disk::new(DiskQuota { bytes: 100, files: 10 });
        assert!(disk.wants_measuring(), "it was never measured");
        disk.measured(Some(Space { bytes: 7, files: 7 }));
        assert!(disk.add(Space { bytes, files }));
        assert!(!disk.wants_measuring(), "nothing was removed");
        disk.removed();
        assert_eq!(disk.wants_measuring(), short, "{bytes} bytes, {files} files");
    }
}

#[test]
fn what_is_taken_back_can_be_added_again() {
    let disk = Disk::new(DiskQuota { bytes: 100, files: 2 });
    assert!(disk.add(Space { bytes: 100, files: 2 }));
    disk.take_back(Space { bytes: 40, files: 1 });
    assert!(!disk.add(Space { bytes: 41, files: 1 }) && !disk.add(Space { bytes: 40, files: 2 }));
    assert!(disk.add(Space { bytes: 40, files: 1 }) && !disk.add(Space { bytes: 1, files: 0 }));
    assert_eq!(disk, Disk::new(DiskQuota { bytes: 100, files: 2 }), "what is charged makes no difference");
    assert_ne!(disk, Disk::new(DiskQuota { bytes: 101, files: 2 }));
    assert_ne!(disk, Disk::new(DiskQuota { bytes: 100, files: 3 }));
}

#[test]
fn a_grant_of_requests_tells_host_ports_and_methods() {
    let grant = |text: &str| text.parse::<HttpGrant>().unwrap();
    let usual = grant("example.com");
    assert_eq!(
        (usual.host(), usual.ports(), usual.methods()),
        (&"example.com".parse().unwrap(), vec![80, 443], None)
    );
    let special = grant("example.com:8080=get,POST");
    let methods: BTreeSet<String> = ["GET", "POST"].map(str::to_owned).into();
    assert_eq!((special.ports(), special.methods()), (vec![8080], Some(&methods)));
    let v6 = grant("[2001:db8::1]:444");
    assert_eq!((v6.host().to_string(), v6.ports()), ("[2001:db8::1]".to_owned(), vec![444]));
}

#[test]
fn grants_keep_what_was_granted() {
    let mut grants = Grants::default();
    assert!(grants.http().is_empty() && !grants.has_directories());
    grants.directory("/tmp", "/data", Access::ReadOnly).unwrap();
    assert!(grants.has_directories());
    grants.http_request("example.com".parse().unwrap()).http_request("example.org=GET".parse().unwrap());
    assert!(!grants.http().is_empty());
    let shown: Vec<_> = grants.http().into_iter().map(HttpGrant::to_string).collect();
    assert_eq!(shown, ["example.com", "example.org=GET"]);
    let mut others = Grants::default();
    others.extend(&grants);
    assert_eq!(others.http().iter().count(), 2);
    let quota = Disk::new(DiskQuota { bytes: 1, files: 1 });
    assert_ne!(grants.disk(), &quota);
    grants.limit_disk(quota.clone());
    assert_eq!(grants.disk(), &quota);
}

#[test]
fn names_of_hosts_have_at_most_253_characters() {
    let name = |length: usize| {
        let labels = "a.".repeat(100) + &"b".repeat(length - 200 - 4) + ".com";
        assert_eq!(labels.len(), length);
        labels.parse::<HttpHost>().is_ok()
    };
    assert_eq!([252, 253, 254].map(name), [true, true, false]);
}

#[test]
fn get_head_and_options_only_read() {
    let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "get", ""];
    let expected = [true, true, true, false, false, false, false, false, false];
    assert_eq!(methods.map(only_reads), expected);
}

//! The object `monitor`: changes as they happen.

use std::ffi::OsStr;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tc_proto::client::Event;
use tc_proto::msg::{ActionMessage, MessageType, NetlinkHeader, TcMessage, flags};
use tc_proto::wire::align;

use super::modify::unreachable_kernel;
use super::{Session, Step, actions, chain, class, filter, qdisc};
use crate::args::{Args, abbreviates};
use crate::env::Env;
use crate::error::{Error, io_text};
use crate::kinds::Show;
use crate::options::Options;
use crate::out::{Out, Style};

/// A time stamp between the messages of a saved dump.
const NLMSG_TSTAMP: u16 = 15;

/// The longest message that a saved dump may have.
const MAX_SAVED: usize = 16 * 1024;

const USAGE: &str = "\
Usage: tc [ -timestamp [ -tshort ] ] monitor [ file FILE ]

Shows changes of qdiscs, classes, filters, chains and actions until it is interrupted; with
\"file\", those that were saved as netlink messages.
";

pub(super) fn run(args: &mut Args<'_>, session: &mut Session<'_>) -> Result<Step, Error> {
    let mut file = None;
    while let Some(word) = args.word()? {
        if abbreviates(word, "file") {
            file = Some(args.file()?);
        } else if abbreviates(word, "help") {
            return Err(Error::usage(USAGE));
        } else {
            return Err(Error::usage(format_args!(
                "Argument \"{word}\" is unknown, try \"tc monitor help\"."
            )));
        }
    }
    // Notifications are always shown as text, as tc shows them.
    session.out.restyle(Style { json: false, ..session.style });
    match file {
        Some(file) => replay(file, session)?,
        None => follow(session)?,
    }
    session.out.restyle(session.style);
    Ok(Step::Done)
}

fn follow(session: &mut Session<'_>) -> Result<(), Error> {
    let mut monitor = session.env.monitor().map_err(|e| unreachable_kernel(&e))?;
    loop {
        match monitor.next_event() {
            Ok(Event::Message(header, body)) => {
                let Session { env, options, out, .. } = session;
                if options.timestamp {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    stamp(now, options.timestamp_short, out);
                }
                show(header, body, *env, options, out);
                out.flush();
                if out.is_broken() {
                    return Ok(());
                }
            }
            Ok(_) => session.complain("netlink receive error No buffer space available (105)\n"),
            Err(e) => return Err(unreachable_kernel(&e)),
        }
    }
}

/// Shows the messages in a file.
fn replay(file: &OsStr, session: &mut Session<'_>) -> Result<(), Error> {
    let fail = |line: String| Error::usage(line).hint(file.to_string_lossy());
    let opened = session.env.open(Path::new(file));
    let opened = opened.map_err(|e| fail(format!("Cannot fopen: {}", io_text(&e))))?;
    let mut input = BufReader::new(opened);
    let mut at = 0;
    while let Some((header, body)) = read_message(&mut input, &mut at).map_err(fail)? {
        let Session { env, options, out, .. } = session;
        if header.message_type == NLMSG_TSTAMP {
            if let Some((seconds, micros)) = saved_stamp(&body) {
                stamp(
                    Duration::new(seconds.into(), micros.saturating_mul(1000)),
                    options.timestamp_short,
                    out,
                );
            }
        } else {
            show(header, &body, *env, options, out);
        }
    }
    Ok(())
}

/// The next message of a file, of which `at` bytes were read; or what tc says of a broken one.
fn read_message(
    input: &mut impl Read,
    at: &mut usize,
) -> Result<Option<(NetlinkHeader, Vec<u8>)>, String> {
    let mut read = |wanted: usize| {
        let mut bytes = Vec::new();
        let read = input.take(wanted as u64).read_to_end(&mut bytes);
        read.map_err(|e| format!("rtnl_from_file: fread: {}", io_text(&e)))?;
        *at += bytes.len();
        Ok::<_, String>(bytes)
    };
    let head = read(NetlinkHeader::LEN)?;
    if head.is_empty() {
        return Ok(None);
    }
    let truncated = || "rtnl-from_file: truncated message".to_owned();
    let header = NetlinkHeader::decode(&head).map_err(|_| truncated())?;
    let len = header.len as usize;
    if !(NetlinkHeader::LEN..=MAX_SAVED).contains(&len) {
        return Err(format!("!!!malformed message: len={} @{at}", header.len as i32));
    }
    let wanted = align(len) - NetlinkHeader::LEN;
    let body = read(wanted)?;
    if body.len() < wanted {
        return Err(truncated());
    }
    Ok(Some((header, body)))
}

fn saved_stamp(body: &[u8]) -> Option<(u32, u32)> {
    let (seconds, rest) = body.split_first_chunk::<4>()?;
    let micros = rest.first_chunk::<4>()?;
    Some((u32::from_ne_bytes(*seconds), u32::from_ne_bytes(*micros)))
}

/// Shows when an event happened, in local time.
fn stamp(since_epoch: Duration, short: bool, out: &mut Out<'_>) {
    let micros = since_epoch.subsec_micros();
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let Ok(utc) = jiff::Timestamp::from_second(seconds) else { return };
    let local = utc.to_zoned(jiff::tz::TimeZone::system());
    if short {
        out.text(format_args!("[{}.{micros:06}] ", local.strftime("%Y-%m-%dT%H:%M:%S")));
    } else {
        out.text(format_args!(
            "Timestamp: {} {micros} usec\n",
            local.strftime("%a %b %e %H:%M:%S %Y")
        ));
    }
}

/// Shows a notification.
pub(super) fn show(
    header: NetlinkHeader,
    body: &[u8],
    env: &mut dyn Env,
    options: &Options,
    out: &mut Out<'_>,
) {
    let mut show = Show { options, env };
    let created = header.flags & flags::CREATE != 0;
    let exclusive = header.flags & flags::EXCL != 0;
    let message_type = MessageType(header.message_type);
    let prefix: &[&str] = match message_type {
        MessageType::DEL_QDISC
        | MessageType::DEL_CLASS
        | MessageType::DEL_FILTER
        | MessageType::DEL_CHAIN => &["deleted"],
        _ if created && exclusive => &["added"],
        _ if created => &["replaced"],
        _ => &[],
    };
    match message_type {
        MessageType::NEW_ACTION | MessageType::DEL_ACTION => {
            if let Ok(message) = ActionMessage::decode(body) {
                actions::print_event(header, &message, &mut show, out);
            }
            return;
        }
        _ => {}
    }
    let Ok(message) = TcMessage::decode(body) else { return };
    out.entry(|out| match message_type {
        MessageType::NEW_QDISC | MessageType::DEL_QDISC => {
            qdisc::print(&message, 0, prefix, &mut show, out);
        }
        MessageType::NEW_CLASS | MessageType::DEL_CLASS => {
            class::print(&message, &class::Shown::default(), prefix, &mut show, out);
        }
        MessageType::NEW_FILTER | MessageType::DEL_FILTER => {
            filter::print(&message, &filter::Shown::default(), prefix, &mut show, out);
        }
        MessageType::NEW_CHAIN | MessageType::DEL_CHAIN => {
            chain::print(&message, &filter::Shown::default(), prefix, &mut show, out);
        }
        _ => {}
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers of these lengths, each followed by `body` bytes.
    fn saved(lengths: &[u32], body: usize) -> Vec<u8> {
        let message = |len: &u32| [&len.to_ne_bytes()[..], &[0; 12], &vec![0; body]].concat();
        lengths.iter().flat_map(message).collect()
    }

    #[test]
    fn a_broken_file_is_read_up_to_where_it_breaks() {
        for (file, error) in [
            (saved(&[20, 8], 4), "!!!malformed message: len=8 @36"),
            (saved(&[20, 16385], 4), "!!!malformed message: len=16385 @36"),
            (saved(&[20, 0xffff_fff0], 4), "!!!malformed message: len=-16 @36"),
            (saved(&[20, 28], 4), "rtnl-from_file: truncated message"),
            ([saved(&[20], 4), vec![0; 3]].concat(), "rtnl-from_file: truncated message"),
        ] {
            let (mut input, mut at) = (&*file, 0);
            let (header, body) = read_message(&mut input, &mut at).unwrap().unwrap();
            assert_eq!((header.len, body.len(), at), (20, 4, 20));
            assert_eq!(read_message(&mut input, &mut at).unwrap_err(), error);
        }
    }
}

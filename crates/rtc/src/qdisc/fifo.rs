//! The grammar that `pfifo`, `bfifo` and `pfifo_head_drop` share: one limit.

use tc_proto::units::Size;

use crate::args::Args;
use crate::error::Error;

/// Reads `[limit N]`, where packets are counted in the words of sizes, too; the last limit counts.
pub(super) fn parse_limit(
    args: &mut Args<'_>,
    kind: &str,
    usage: &str,
) -> Result<Option<u32>, Error> {
    let mut limit = None;
    while let Some(word) = args.word()? {
        match word {
            "limit" => {
                let value = args.value()?;
                limit = Some(Size::parse_u32(value).map_err(|e| {
                    Error::refused(format_args!("{kind}: Illegal value for \"limit\": \"{value}\""))
                        .at(args.last())
                        .hint(e.to_string())
                })?);
                args.mark(&[tc_proto::msg::tca::OPTIONS]);
            }
            "help" => return Err(Error::refused(usage)),
            other => {
                let line = format!("{kind}: unknown parameter \"{other}\"\n{usage}");
                return Err(Error::refused(line));
            }
        }
    }
    Ok(limit)
}

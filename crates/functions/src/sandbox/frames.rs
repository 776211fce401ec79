//! Log messages out of byte streams: lines of stdout and stderr, and the frames that AWS's clients write to a descriptor of
//! their own so that a message of several lines stays one.
//!
//! ```text
//! frame = type:u32 (0xa55a0003; the low bits tell level and format) · length:u32 · microseconds:u64 · message   (big-endian)
//! ```
//! A message is cut at [`MESSAGE_BYTES_MAX`], what CloudWatch Logs takes; the rest of a longer frame is skipped.

/// The largest event of CloudWatch Logs.
pub(super) const MESSAGE_BYTES_MAX: usize = 256 * 1024;

const HEADER_BYTES: usize = 16;
const MAGIC: [u8; 2] = [0xa5, 0x5a];

/// Splits a stream into lines, each with its line feed.
#[derive(Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes bytes and gives what they complete.
    pub fn take(&mut self, mut bytes: &[u8], mut message: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end + 1);
            if self.partial.is_empty() {
                line.chunks(MESSAGE_BYTES_MAX).for_each(&mut message);
            } else {
                self.partial.extend_from_slice(line);
                std::mem::take(&mut self.partial).chunks(MESSAGE_BYTES_MAX).for_each(&mut message);
            }
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
        while self.partial.len() >= MESSAGE_BYTES_MAX {
            let rest = self.partial.split_off(MESSAGE_BYTES_MAX);
            message(&std::mem::replace(&mut self.partial, rest));
        }
    }

    /// What has no line feed yet: a process that ended will not add one.
    pub fn finish(&mut self, message: impl FnOnce(&[u8])) {
        if !self.partial.is_empty() {
            message(&std::mem::take(&mut self.partial));
        }
    }
}

/// Splits a stream into frames.
#[derive(Default)]
pub(super) struct Frames {
    pending: Vec<u8>,
    /// Bytes of a long message that are thrown away.
    skip: usize,
    /// After a header that is none nothing can be told apart any more.
    broken: bool,
}

impl Frames {
    /// Takes bytes and gives what they complete.
    pub fn take(&mut self, mut bytes: &[u8], mut message: impl FnMut(&[u8])) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        bytes = &bytes[skipped..];
        if self.broken {
            return;
        }
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((header, rest)) = self.pending[at..].split_first_chunk::<HEADER_BYTES>() {
            if header[..2] != MAGIC {
                self.broken = true;
                break;
            }
            let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
            let kept = length.min(MESSAGE_BYTES_MAX);
            let Some(content) = rest.get(..kept) else { break };
            message(content);
            let over = (length - kept).min(rest.len() - kept);
            self.skip = length - kept - over;
            at += HEADER_BYTES + kept + over;
        }
        self.pending.drain(..if self.broken { self.pending.len() } else { at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xa5, 0x5a, 0, 3];
        bytes.extend((message.len() as u32).to_be_bytes());
        bytes.extend(0_u64.to_be_bytes());
        bytes.extend(message);
        bytes
    }

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(piece, |line| found.push(String::from_utf8_lossy(line).into_owned()));
        }
        lines.finish(|line| found.push(String::from_utf8_lossy(line).into_owned()));
        found
    }

    #[test]
    fn lines_are_put_together() {
        assert_eq!(lines(&[b"a\nb", b"c\n", b"\nd"]), ["a\n", "bc\n", "\n", "d"]);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let found = lines(&[&vec![b'x'; MESSAGE_BYTES_MAX + 3]]);
        assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [MESSAGE_BYTES_MAX, 3]);
        let found = lines(&[&vec![b'x'; MESSAGE_BYTES_MAX - 1], b"yz\n"]);
        assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [MESSAGE_BYTES_MAX, 2], "in two pieces");
    }

    #[test]
    fn frames_are_found_however_the_bytes_arrive() {
        let stream = [frame(b"one\ntwo"), frame(&vec![b'y'; MESSAGE_BYTES_MAX + 100]), frame(b"three")].concat();
        for step in [1, 7, 1000, stream.len()] {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for piece in stream.chunks(step) {
                frames.take(piece, |message| found.push(message.len()));
            }
            assert_eq!(found, [7, MESSAGE_BYTES_MAX, 5], "in steps of {step}");
        }
    }

    #[test]
    fn rubbish_is_not_taken_for_messages() {
        let mut frames = Frames::default();
        frames.take(&[0; 64], |_| panic!("no message is in there"));
        frames.take(&frame(b"x"), |_| panic!("nothing can be told apart after rubbish"));
    }
}

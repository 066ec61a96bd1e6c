//! Arrow IPC, files and streams: what record batches there are, and rows of one of them.

use std::io::Read;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, StreamReader, read_footer_length};
use arrow_ipc::{Block, MessageHeader, root_as_footer, root_as_message};
use arrow_schema::SchemaRef;

use super::at::FileAt;
use super::read::take;
use super::schema::{places, told};
use crate::tables::{Group, Rows};

/// What an Arrow file begins with.
const MAGIC: &[u8] = b"ARROW1";
/// What the end of an Arrow file has: the length of its footer, and the same again.
const TRAILER: u64 = 10;
/// What stands before the length of a message since version 0.15.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The longest description of a record batch, in bytes.
const MAX_METADATA: u64 = 256 << 20;

/// An open Arrow file or stream.
pub(super) struct ArrowTable {
    file: FileAt,
    schema: SchemaRef,
    projection: Option<Vec<usize>>,
    batches: Vec<Batch>,
    inside: Inside,
    /// The record batch that was read last. Most rows that are wanted come from the same one
    /// as those before.
    last: Option<(u32, RecordBatch)>,
    /// Rows that are wanted and were not given.
    rest: Option<RecordBatch>,
}

/// A record batch.
struct Batch {
    block: Block,
    rows: u64,
}

enum Inside {
    File(FileDecoder),
    /// The messages of a stream: the schema, and the dictionaries with the number of record
    /// batches that stand before each.
    Stream {
        schema: Stretch,
        dictionaries: Vec<(usize, Stretch)>,
    },
}

/// A stretch of the file: where it begins, and its length.
type Stretch = (u64, u64);

impl ArrowTable {
    /// Opens one, or only these of its columns.
    pub fn open(file: FileAt, columns: Option<&[String]>) -> Result<ArrowTable, String> {
        let mut first = [0; MAGIC.len()];
        let is_file =
            file.has(0, 2 * TRAILER) && file.read(&mut first, 0).is_ok() && first == MAGIC;
        match is_file {
            true => ArrowTable::open_file(file, columns),
            false => ArrowTable::open_stream(file, columns),
        }
    }

    fn open_file(file: FileAt, columns: Option<&[String]>) -> Result<ArrowTable, String> {
        let damaged = |what: &str| format!("it is a damaged Arrow file: {what}");
        let mut trailer = [0; TRAILER as usize];
        file.read(&mut trailer, file.length() - TRAILER).map_err(told)?;
        let length = read_footer_length(trailer)
            .map_err(|_| damaged("its end is missing, so it was not written to its end"))?;
        let start = (file.length() - TRAILER).checked_sub(length as u64);
        let start = start.ok_or_else(|| damaged("its footer is longer than it"))?;
        let mut footer = vec![0; length];
        file.read(&mut footer, start).map_err(told)?;
        let footer = root_as_footer(&footer).map_err(|_| damaged("its footer makes no sense"))?;
        let schema = footer.schema().ok_or_else(|| damaged("it has no schema"))?;
        let schema = Arc::new(try_fb_to_schema(schema).map_err(told)?);
        let projection = columns.map(|names| places(names, &schema)).transpose()?;
        let mut decoder = FileDecoder::new(Arc::clone(&schema), footer.version());
        if let Some(projection) = &projection {
            decoder = decoder.with_projection(projection.clone());
        }
        for block in footer.dictionaries().iter().flatten() {
            let message = read_block(&file, block)?;
            decoder.read_dictionary(block, &message).map_err(told)?;
        }
        let mut batches = Vec::new();
        for block in footer.recordBatches().iter().flatten() {
            let (at, metadata, _) = extent(&file, block)?;
            let rows = Message::read(&file, at)?.filter(|message| message.metadata <= metadata);
            let rows = rows.and_then(|message| message.rows);
            let rows = rows.ok_or_else(|| damaged("its footer names what is no record batch"))?;
            batches.push(Batch { block: *block, rows });
        }
        let inside = Inside::File(decoder);
        Ok(ArrowTable { file, schema, projection, batches, inside, last: None, rest: None })
    }

    fn open_stream(file: FileAt, columns: Option<&[String]>) -> Result<ArrowTable, String> {
        let none = || "it is no Arrow file or stream".to_owned();
        let first = Message::read(&file, 0).map_err(|_| none())?.ok_or_else(none)?;
        if first.header != MessageHeader::Schema {
            return Err(none());
        }
        let start = (0, first.metadata + first.body);
        let reader = StreamReader::try_new(Parts::of(&file, vec![start]), None).map_err(told)?;
        let schema = reader.schema();
        let projection = columns.map(|names| places(names, &schema)).transpose()?;
        let (mut batches, mut dictionaries) = (Vec::new(), Vec::new());
        let mut at = start.1;
        while let Some(message) = Message::read(&file, at)? {
            let length = message.metadata + message.body;
            match (message.header, message.rows) {
                (MessageHeader::DictionaryBatch, _) => {
                    dictionaries.push((batches.len(), (at, length)));
                }
                (MessageHeader::RecordBatch, Some(rows)) => {
                    let size = |size: u64| i64::try_from(size).map_err(told);
                    let metadata = i32::try_from(message.metadata).map_err(told)?;
                    let block = Block::new(size(at)?, metadata, size(message.body)?);
                    batches.push(Batch { block, rows });
                }
                _ => return Err("it is an Arrow stream with something unknown in it".into()),
            }
            at += length;
        }
        let inside = Inside::Stream { schema: start, dictionaries };
        Ok(ArrowTable { file, schema, projection, batches, inside, last: None, rest: None })
    }

    /// The schema of all columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub fn groups(&self) -> Vec<Group> {
        let bytes = |batch: &Batch| u64::try_from(batch.block.bodyLength()).unwrap_or(0);
        self.batches.iter().map(|batch| Group { rows: batch.rows, bytes: bytes(batch) }).collect()
    }

    /// Turns to these rows, if there are such.
    pub fn turn_to(&mut self, rows: Rows) -> Result<(), String> {
        let batch = match self.last.take() {
            Some((group, batch)) if group == rows.group => batch,
            _ => self.read(rows.group as usize)?,
        };
        self.last = Some((rows.group, batch.clone()));
        let end = rows.first.checked_add(rows.count);
        if end.is_none_or(|end| end > batch.num_rows() as u64) {
            return Err("a record batch has fewer rows than it says".into());
        }
        self.rest = Some(batch.slice(rows.first as usize, rows.count as usize));
        Ok(())
    }

    /// Some of the rows, at most so many; none where there are no more.
    pub fn some(&mut self, most: usize) -> Option<RecordBatch> {
        take(&mut self.rest, most)
    }

    fn read(&self, number: usize) -> Result<RecordBatch, String> {
        let Batch { block, .. } = self.batches.get(number).ok_or("there are no such rows")?;
        let batch = match &self.inside {
            Inside::File(decoder) => {
                let message = read_block(&self.file, block)?;
                decoder.read_record_batch(block, &message).map_err(told)?
            }
            Inside::Stream { schema, dictionaries } => {
                let before = dictionaries.iter().take_while(|(batches, _)| *batches <= number);
                let mut parts = vec![*schema];
                parts.extend(before.map(|(_, stretch)| *stretch));
                let (at, metadata, body) = extent(&self.file, block)?;
                parts.push((at, metadata + body));
                let parts = Parts::of(&self.file, parts);
                let mut reader =
                    StreamReader::try_new(parts, self.projection.clone()).map_err(told)?;
                reader.next().transpose().map_err(told)?
            }
        };
        batch.ok_or_else(|| "a record batch is none".into())
    }
}

/// Where a block stands, the length of its metadata and of its body, all inside the file.
fn extent(file: &FileAt, block: &Block) -> Result<(u64, u64, u64), String> {
    let at = u64::try_from(block.offset());
    let metadata = u64::try_from(block.metaDataLength());
    let body = u64::try_from(block.bodyLength());
    match (at, metadata, body) {
        (Ok(at), Ok(metadata), Ok(body))
            if metadata.checked_add(body).is_some_and(|length| file.has(at, length)) =>
        {
            Ok((at, metadata, body))
        }
        _ => Err("it is a damaged Arrow file: its footer names what is not in it".into()),
    }
}

fn read_block(file: &FileAt, block: &Block) -> Result<Buffer, String> {
    let (at, metadata, body) = extent(file, block)?;
    let mut bytes = MutableBuffer::from_len_zeroed((metadata + body) as usize);
    file.read(bytes.as_slice_mut(), at).map_err(told)?;
    Ok(bytes.into())
}

/// What a message says of itself.
struct Message {
    header: MessageHeader,
    /// Its description with what stands before it, in bytes.
    metadata: u64,
    body: u64,
    /// Where it is a record batch.
    rows: Option<u64>,
}

impl Message {
    /// Reads the description of the message that begins there; none where the stream ends.
    fn read(file: &FileAt, at: u64) -> Result<Option<Message>, String> {
        let cut = || "it ends in the middle of a record batch".to_owned();
        if at == file.length() {
            return Ok(None);
        }
        let mut word = [0; 4];
        file.read(&mut word, at).map_err(|_| cut())?;
        let mut before = 4;
        if word == CONTINUATION {
            file.read(&mut word, at + 4).map_err(|_| cut())?;
            before = 8;
        }
        let length = u64::try_from(i32::from_le_bytes(word)).map_err(|_| cut())?;
        if length == 0 {
            return Ok(None);
        }
        if length > MAX_METADATA || !file.has(at + before, length) {
            return Err(cut());
        }
        let mut bytes = vec![0; length as usize];
        file.read(&mut bytes, at + before).map_err(told)?;
        let message = root_as_message(&bytes).map_err(|_| "a message in it makes no sense")?;
        let body = u64::try_from(message.bodyLength()).map_err(|_| cut())?;
        let metadata = before + length;
        if metadata.checked_add(body).is_none_or(|length| !file.has(at, length)) {
            return Err(cut());
        }
        let batch = message.header_as_record_batch();
        let rows = batch.and_then(|batch| u64::try_from(batch.length()).ok());
        Ok(Some(Message { header: message.header_type(), metadata, body, rows }))
    }
}

/// Some stretches of a file as if they stood behind each other.
struct Parts {
    file: FileAt,
    /// Those that are left, the next one last.
    parts: Vec<Stretch>,
}

impl Parts {
    fn of(file: &FileAt, mut parts: Vec<Stretch>) -> Parts {
        parts.reverse();
        Parts { file: file.clone(), parts }
    }
}

impl Read for Parts {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.parts.last().is_some_and(|(_, length)| *length == 0) {
            self.parts.pop();
        }
        let Some((at, length)) = self.parts.last_mut() else { return Ok(0) };
        let read = into.len().min(usize::try_from(*length).unwrap_or(usize::MAX));
        self.file.read(&mut into[..read], *at)?;
        (*at, *length) = (*at + read as u64, *length - read as u64);
        Ok(read)
    }
}

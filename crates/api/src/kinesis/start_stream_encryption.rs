//! StartStreamEncryption: what is put from now on lies on disk sealed by a KMS key.

use super::{Kinesis, encryption, faults};
use crate::http::Caller;
use crate::models::kinesis::StartStreamEncryptionInput;
use crate::wire::{Fault, kinds};
use millrace_log::format::stream_dir_name;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: StartStreamEncryptionInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    if input.encryption_type.as_str() != "KMS" {
        return Err(kinds::INVALID_ARGUMENT.because("EncryptionType of StartStreamEncryption has to be KMS."));
    }
    let Some(seals) = &kinesis.seals else {
        return Err(faults::unsupported("StartStreamEncryption without a key ring"));
    };
    let key = &stream.key;
    let folder = stream_dir_name(stream.incarnation, &key.name).into();
    let started = seals.start(&key.scope, &key.name, stream.incarnation, folder, &input.key_id);
    started.map_err(encryption::of_seal)?;
    kinesis.log.begin_segment(key).map_err(faults::of_log)
}

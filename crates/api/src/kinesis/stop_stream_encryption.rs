//! StopStreamEncryption: what is put from now on lies on disk as everything else does. What was sealed stays so.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::StopStreamEncryptionInput;
use crate::wire::{Fault, kinds};

pub fn call(kinesis: &Kinesis, caller: &Caller, input: StopStreamEncryptionInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    if input.encryption_type.as_str() != "KMS" {
        return Err(kinds::INVALID_ARGUMENT.because("EncryptionType of StopStreamEncryption has to be KMS."));
    }
    let Some(seals) = &kinesis.seals else { return Ok(()) };
    seals.stop(&stream.key.scope, &stream.key.name)?;
    kinesis.log.begin_segment(&stream.key).map_err(faults::of_log)
}

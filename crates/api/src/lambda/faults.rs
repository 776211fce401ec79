//! Errors of definitions and mappings in Lambda's kinds.

use crate::models::lambda::faults;
use crate::wire::{Fault, FaultKind, kinds};
use millrace_functions::{FunctionsError, MappingError};

/// Whoever is not of the account, or names another account's resource.
const ACCESS_DENIED: FaultKind = FaultKind::new("AccessDeniedException", 403).capital();
const REQUEST_ENTITY_TOO_LARGE: FaultKind = FaultKind::new("RequestEntityTooLargeException", 413);
/// What the model complains about a runtime that it does not know, and AWS in other words and of another kind.
const RUNTIME_COMPLAINT: &str = "at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [";

impl From<FunctionsError> for Fault {
    fn from(error: FunctionsError) -> Self {
        let message = error.to_string();
        let kind = match error {
            FunctionsError::InvalidParameterValue(_) => faults::INVALID_PARAMETER_VALUE_EXCEPTION,
            FunctionsError::Validation(_) => kinds::VALIDATION,
            FunctionsError::ResourceNotFound(_) => faults::RESOURCE_NOT_FOUND_EXCEPTION,
            FunctionsError::ResourceConflict(_) => faults::RESOURCE_CONFLICT_EXCEPTION,
            FunctionsError::PreconditionFailed(_) => faults::PRECONDITION_FAILED_EXCEPTION,
            FunctionsError::AccessDenied(_) => ACCESS_DENIED,
            FunctionsError::TooLarge(_) => REQUEST_ENTITY_TOO_LARGE,
            FunctionsError::Unsupported(_) => kinds::UNSUPPORTED,
            FunctionsError::Catalog(_) | FunctionsError::Packages { .. } => faults::SERVICE_EXCEPTION,
        };
        kind.because(message)
    }
}

impl From<MappingError> for Fault {
    fn from(error: MappingError) -> Self {
        let message = error.to_string();
        let kind = match error {
            MappingError::InvalidParameterValue(_) => faults::INVALID_PARAMETER_VALUE_EXCEPTION,
            MappingError::Validation(_) => kinds::VALIDATION,
            MappingError::ResourceNotFound => faults::RESOURCE_NOT_FOUND_EXCEPTION,
            MappingError::ResourceConflict(_) => faults::RESOURCE_CONFLICT_EXCEPTION,
            MappingError::Unsupported(_) => kinds::UNSUPPORTED,
            MappingError::Log(_) | MappingError::Catalog(_) => faults::SERVICE_EXCEPTION,
        };
        kind.because(message)
    }
}

/// The errors that every service has, in Lambda's words.
pub fn reword(fault: Fault) -> Fault {
    let complaint = fault.message.strip_prefix("1 validation error detected: Value '");
    let runtime =
        complaint.and_then(|rest| rest.split_once("' ")).filter(|(_, rest)| rest.starts_with(RUNTIME_COMPLAINT));
    match runtime {
        Some((runtime, complaint)) if fault.kind == kinds::VALIDATION => {
            let message = format!("Value {runtime} {complaint} or be a valid ARN");
            faults::INVALID_PARAMETER_VALUE_EXCEPTION.because(message)
        }
        _ => fault,
    }
}

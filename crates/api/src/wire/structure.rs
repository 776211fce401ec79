//! The macro that generated models are written in: a structure's members in the model's order, with their rules.

/// Declares structures and how they are read, checked and written.
///
/// A member is `required` or `optional`, its Rust name, its name on the wire, its type and its rule. Unknown members of
/// an input are passed over, as AWS does.
macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$member_doc:meta])* $need:ident $field:ident $wire:literal $type:ty, $rule:expr;)*
    })*) => {$(
        $(#[$doc])*
        #[doc = concat!("AWS's `", stringify!($name), "`.")]
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $($(#[$member_doc])* #[doc = concat!("On the wire: `", $wire, "`.")] pub $field: $crate::wire::structures!(@type $need $type),)*
        }

        impl $name {
            /// The members' names on the wire, in the model's order.
            pub const MEMBERS: &'static [&'static str] = &[$($wire),*];
        }

        impl $crate::wire::Members for $name {
            #[allow(unused_variables, reason = "a structure may have no members")]
            fn member(&self, name: &str) -> Option<&dyn $crate::wire::Members> {
                match name {
                    $($wire => $crate::wire::structures!(@member $need self.$field),)*
                    _ => None,
                }
            }
        }

        impl $crate::wire::Shape for $name {
            #[allow(unused_variables, reason = "a structure without members checks nothing")]
            fn read(
                reader: &mut dyn $crate::wire::Reader,
                checks: &mut $crate::wire::Checks,
            ) -> Result<Self, $crate::wire::Malformed> {
                $(let mut $field: Option<$type> = None;)*
                reader.open_map()?;
                while let Some(key) = reader.next_key()? {
                    match key.as_str() {
                        $($wire => {
                            if !reader.null()? {
                                checks.enter($wire, Self::MEMBERS);
                                $field = Some(<$type as $crate::wire::Shape>::read(reader, checks)?);
                                checks.leave();
                            }
                        })*
                        _ => reader.skip()?,
                    }
                }
                $(
                    checks.enter($wire, Self::MEMBERS);
                    if let Some(value) = &$field {
                        $crate::wire::Shape::check(value, &$rule, checks);
                    }
                    let $field = $crate::wire::structures!(@take $need $field checks);
                    checks.leave();
                )*
                Ok(Self { $($field),* })
            }

            fn write(&self, writer: &mut dyn $crate::wire::Writer) {
                let len = 0 $(+ $crate::wire::structures!(@len $need self.$field))*;
                writer.open_structure(len);
                $($crate::wire::structures!(@write $need writer $wire self.$field);)*
                writer.close_map();
            }

            fn show(&self) -> String {
                stringify!($name).to_owned()
            }
        }
    )*};
    (@type required $type:ty) => { $type };
    (@type optional $type:ty) => { Option<$type> };
    (@take required $field:ident $checks:ident) => {
        match $field {
            Some(value) => value,
            None => {
                $checks.missing();
                Default::default()
            }
        }
    };
    (@take optional $field:ident $checks:ident) => { $field };
    (@member required $value:expr) => { Some(&$value) };
    (@member optional $value:expr) => { $value.as_ref().map(|value| value as &dyn $crate::wire::Members) };
    (@len required $value:expr) => { 1 };
    (@len optional $value:expr) => { usize::from($value.is_some()) };
    (@write required $writer:ident $wire:literal $value:expr) => {
        $writer.key($wire);
        $crate::wire::Shape::write(&$value, $writer);
    };
    (@write optional $writer:ident $wire:literal $value:expr) => {
        if let Some(value) = &$value {
            $writer.key($wire);
            $crate::wire::Shape::write(value, $writer);
        }
    };
}

pub(crate) use structures;

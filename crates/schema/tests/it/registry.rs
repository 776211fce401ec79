//! The registry through its public door: versions, modes, checkpoints, deletions, metadata and tags, on a real folder.

use millrace_base::{Clock, Scope, SystemClock, SystemDice, SystemDisk};
use millrace_catalog::Catalog;
use millrace_schema::registry::store::{DeletedVersions, NewSchema, Registered, Resource, SchemaChange};
use millrace_schema::registry::{
    Compatibility, DataFormat, Registry, RegistryError, SchemaKey, VersionNumber, VersionStatus,
};
use std::collections::BTreeMap;
use std::sync::Arc;

struct World {
    _dir: tempfile::TempDir,
    registry: Registry,
    key: SchemaKey,
}

fn world(compatibility: Compatibility) -> World {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&SystemDisk, &dir.path().join("catalog.redb")).unwrap();
    let registry = Registry::new(catalog, Arc::new(SystemClock), Arc::new(SystemDice));
    let key = SchemaKey::new(&Scope::default(), "default-registry", "order");
    registry.create_schema(&key, new(compatibility, Some(order("")))).unwrap();
    World { _dir: dir, registry, key }
}

fn new(compatibility: Compatibility, definition: Option<String>) -> NewSchema {
    NewSchema { format: DataFormat::Avro, compatibility, description: None, tags: BTreeMap::new(), definition }
}

/// An order with an id and further fields.
fn order(fields: &str) -> String {
    format!(r#"{{"type": "record", "name": "Order", "fields": [{{"name": "id", "type": "long"}}{fields}]}}"#)
}

const NOTE: &str = r#", {"name": "note", "type": "string", "default": ""}"#;
const BARE: &str = r#", {"name": "note", "type": "string"}"#;
const AGE: &str = r#", {"name": "age", "type": "int"}"#;

impl World {
    fn register(&self, fields: &str) -> Result<Registered, RegistryError> {
        self.registry.register(&self.key, &order(fields))
    }

    fn numbers(&self) -> Vec<(u32, VersionStatus)> {
        let versions = self.registry.versions(&self.key).unwrap();
        versions.into_iter().map(|version| (version.number, version.status)).collect()
    }
}

#[test]
fn the_same_definition_is_the_same_version() {
    let world = world(Compatibility::Backward);
    let second = world.register(NOTE).unwrap();
    assert_eq!((second.number, second.status), (2, VersionStatus::Available));
    let spaced = order(NOTE).replace(", ", " ,\n  ");
    assert_eq!(world.registry.register(&world.key, &spaced).unwrap(), second);
    let found = world.registry.version_by_definition(&world.key, &spaced).unwrap();
    assert_eq!((found.id, &*found.definition), (second.id, &*order(NOTE)));
    assert_eq!(world.registry.version_by_id(second.id).unwrap().unwrap(), found);
    assert_eq!(world.registry.latest(&world.key).unwrap().unwrap(), found);
    assert!(world.registry.version_by_id(uuid(7)).unwrap().is_none());
}

#[test]
fn a_refused_version_fails_with_its_reason_and_is_judged_again() {
    let world = world(Compatibility::Backward);
    let error = world.register(BARE).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, RegistryError::Incompatible(_)));
    for word in
        ["Version 2 of schema order is not BACKWARD compatible", "FAILURE", "With version 1: ", "note", "default"]
    {
        assert!(text.contains(word), "{word} is missing in: {text}");
    }
    assert_eq!(world.numbers(), [(1, VersionStatus::Available), (2, VersionStatus::Failure)]);
    // Asked again, it is the same version, and still not found by its definition.
    assert!(world.register(BARE).is_err());
    assert_eq!(world.numbers().len(), 2);
    let hidden = world.registry.version_by_definition(&world.key, &order(BARE)).unwrap_err();
    assert!(hidden.to_string().starts_with("Schema version is not found."), "{hidden}");
    let schema = world.registry.schema(&world.key).unwrap();
    assert_eq!((schema.latest, schema.next), (Some(1), 3));

    let change = SchemaChange { compatibility: Some(Compatibility::None), ..SchemaChange::default() };
    world.registry.update_schema(&world.key, &change).unwrap();
    assert_eq!(world.register(BARE).unwrap().number, 3);
    assert_eq!(world.numbers(), [(1, VersionStatus::Available), (3, VersionStatus::Available)]);
}

#[test]
fn a_checkpoint_ends_what_all_versions_are_compared_with() {
    let world = world(Compatibility::BackwardAll);
    world
        .registry
        .update_schema(
            &world.key,
            &SchemaChange { compatibility: Some(Compatibility::None), ..SchemaChange::default() },
        )
        .unwrap();
    // An age without a default cannot be read from the first version, but from the second.
    assert_eq!(world.register(AGE).unwrap().number, 2);
    let both = order(&format!("{AGE}{NOTE}"));
    let change = |checkpoint| SchemaChange {
        compatibility: Some(Compatibility::BackwardAll),
        checkpoint: Some(VersionNumber::Number(checkpoint)),
        description: None,
    };
    assert_eq!(world.registry.update_schema(&world.key, &change(1)).unwrap().checkpoint, Some(1));
    let error = world.registry.register(&world.key, &both).unwrap_err().to_string();
    assert!(error.contains("With version 1: ") && error.contains("age"), "{error}");
    assert_eq!(world.registry.update_schema(&world.key, &change(2)).unwrap().checkpoint, Some(2));
    assert_eq!(world.registry.register(&world.key, &both).unwrap().number, 4);
    assert!(world.registry.update_schema(&world.key, &change(9)).is_err());
}

#[test]
fn disabled_forbids_a_second_version() {
    let world = world(Compatibility::Disabled);
    assert!(world.register("").is_ok(), "the first is there already");
    let error = world.register(NOTE).unwrap_err().to_string();
    assert!(error.starts_with("Compatibility DISABLED does not allow versioning."), "{error}");
    assert_eq!(world.numbers().len(), 1);
    let empty = SchemaKey::new(&Scope::default(), "default-registry", "empty");
    world.registry.create_schema(&empty, new(Compatibility::Disabled, None)).unwrap();
    assert_eq!(world.registry.register(&empty, &order("")).unwrap().number, 1);
}

#[test]
fn versions_are_deleted_except_the_first_and_the_checkpoint() {
    let world = world(Compatibility::None);
    world.register(NOTE).unwrap();
    world.register(AGE).unwrap();
    assert!(world.registry.delete_versions(&world.key, 1, 2).unwrap_err().to_string().contains("is the checkpoint"));
    let DeletedVersions { errors } = world.registry.delete_versions(&world.key, 3, 9).unwrap();
    assert_eq!(errors.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [4]);
    assert_eq!(world.registry.schema(&world.key).unwrap().latest, Some(2));
    // The number and the id are not used twice.
    assert_eq!(world.register(AGE).unwrap().number, 4);
    let moved = SchemaChange { checkpoint: Some(VersionNumber::Latest), ..SchemaChange::default() };
    world.registry.update_schema(&world.key, &moved).unwrap();
    let DeletedVersions { errors } = world.registry.delete_versions(&world.key, 1, 2).unwrap();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].2.contains("first schema version"));
    assert_eq!(world.numbers().iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn scopes_and_registries_do_not_see_each_other() {
    let world = world(Compatibility::Backward);
    let (here, there) = (Scope::default(), Scope::new("111111111111", "us-east-1"));
    let registry = &world.registry;
    registry.create_registry(&here, "shop", None, BTreeMap::new()).unwrap();
    registry.create_registry(&here, "shop-2", None, BTreeMap::new()).unwrap();
    assert!(matches!(
        registry.create_registry(&here, "shop", None, BTreeMap::new()),
        Err(RegistryError::AlreadyExists(_))
    ));
    for name in ["shop", "shop-2"] {
        let key = SchemaKey::new(&here, name, "order");
        registry.create_schema(&key, new(Compatibility::None, Some(order("")))).unwrap();
    }
    let strange = SchemaKey::new(&here, "absent", "order");
    assert!(matches!(
        registry.create_schema(&strange, new(Compatibility::None, None)),
        Err(RegistryError::NotFound(_))
    ));
    assert_eq!(registry.schemas(&here, None).unwrap().len(), 3);
    assert_eq!(registry.schemas(&here, Some("shop")).unwrap().len(), 1);
    assert!(registry.schemas(&there, None).unwrap().is_empty());
    let id = registry.latest(&SchemaKey::new(&here, "shop", "order")).unwrap().unwrap().id;
    registry.delete_registry(&here, "shop").unwrap();
    assert!(registry.version_by_id(id).unwrap().is_none());
    assert_eq!(registry.schemas(&here, None).unwrap().len(), 2);
    registry.create_registry(&here, "shop", None, BTreeMap::new()).unwrap();
    assert!(registry.schemas(&here, Some("shop")).unwrap().is_empty());
}

#[test]
fn metadata_and_tags_are_kept_and_bounded() {
    let world = world(Compatibility::Backward);
    let id = world.registry.latest(&world.key).unwrap().unwrap().id;
    let put = |key: &str, value: &str| world.registry.put_metadata(id, key, value);
    put("owner", "ana").unwrap();
    assert!(matches!(put("owner", "ana"), Err(RegistryError::AlreadyExists(_))));
    let version = put("owner", "bo").unwrap();
    assert_eq!(version.metadata["owner"].iter().map(|value| &*value.value).collect::<Vec<_>>(), ["ana", "bo"]);
    for number in 0..8 {
        put("more", &number.to_string()).unwrap();
    }
    assert!(matches!(put("more", "9"), Err(RegistryError::Limit(_))));
    world.registry.remove_metadata(id, "owner", "ana").unwrap();
    assert!(matches!(world.registry.remove_metadata(id, "owner", "ana"), Err(RegistryError::NotFound(_))));

    let resource = Resource::parse(&world.key.arn()).unwrap();
    let tag = |number: usize| (format!("k{number}"), "v".to_owned());
    world.registry.change_tags(&resource, |tags| tags.extend((0..50).map(tag))).unwrap();
    assert!(world.registry.change_tags(&resource, |tags| tags.extend((50..51).map(tag))).is_err());
    assert_eq!(world.registry.tags(&resource).unwrap().len(), 50);
}

#[test]
fn writers_of_one_schema_get_numbers_of_their_own() {
    let world = world(Compatibility::None);
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let world = &world;
            threads.spawn(move || {
                for number in 0..4 {
                    let field = format!(r#", {{"name": "f{thread}x{number}", "type": "int"}}"#);
                    // Many writers at one schema may be told to try again.
                    while matches!(world.register(&field), Err(RegistryError::Conflict(_))) {}
                }
            });
        }
    });
    let numbers: Vec<u32> = world.numbers().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=33).collect::<Vec<_>>());
    assert!(SystemClock.now() >= world.registry.schema(&world.key).unwrap().updated);
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

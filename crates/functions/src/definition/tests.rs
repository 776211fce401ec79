//! Definitions over a disk that loses what was not synced.

use super::*;
use crate::{FunctionKey, FunctionSource, FunctionVersion, InvokeError};
use millrace_base::{Disk, Scope};
use millrace_catalog::Catalog;
use millrace_testkit::{SimClock, SimDice, SimDisk};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

const ROLE: &str = "arn:aws:iam::000000000000:role/r";

struct World {
    disk: Arc<SimDisk>,
    functions: Functions,
}

fn open(disk: &Arc<SimDisk>) -> Functions {
    let disk: Arc<dyn Disk> = disk.clone();
    let catalog = Catalog::open(&*disk, Path::new("/data/catalog.redb")).unwrap();
    Functions::open(FunctionsParts {
        catalog,
        clock: Arc::new(SimClock::at(1_795_279_662_123)),
        dice: Arc::new(SimDice::new(7)),
        disk,
        packages: "/data/packages".into(),
    })
    .unwrap()
}

/// Ready at once, unless the handler says otherwise.
struct Ready;

#[async_trait::async_trait]
impl Prepare for Ready {
    async fn prepare(&self, version: Arc<FunctionVersion>) -> Result<(), Unprepared> {
        match &*version.handler {
            "never.ready" => std::future::pending().await,
            "cannot.be" => Err(Unprepared { code: "InvalidRuntime".into(), message: "no such runtime".into() }),
            _ => Ok(()),
        }
    }

    fn check_runtime(&self, runtime: &str) -> Result<(), String> {
        if runtime == "cobol74" { Err("no cobol".to_owned()) } else { Ok(()) }
    }
}

fn zip(text: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("app.py", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(text.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

fn input(body: Value) -> CreateFunction {
    let mut all = json!({"FunctionName": "f", "Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE});
    all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

impl World {
    fn new() -> Self {
        let disk = Arc::new(SimDisk::new(1));
        let functions = open(&disk);
        functions.start(Arc::new(Ready), Handle::current());
        Self { disk, functions }
    }

    fn scope(&self) -> Scope {
        Scope::default()
    }

    fn create(&self, body: Value) -> Result<Value, FunctionsError> {
        self.functions.create(&self.scope(), input(body), &zip("one"))
    }

    fn shown(&self, name: &str) -> Value {
        self.functions.get(&self.scope(), name, None).unwrap().configuration
    }

    async fn settled(&self, name: &str) -> Value {
        loop {
            let shown = self.shown(name);
            if shown["State"] != "Pending" && shown["LastUpdateStatus"] != "InProgress" {
                return shown;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    fn update_code(&self, body: Value, text: &str) -> Result<Value, FunctionsError> {
        let mut all = json!({"FunctionName": "f"});
        all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        self.functions.update_code(&self.scope(), serde_json::from_value(all).unwrap(), &zip(text))
    }

    fn configure(&self, body: Value) -> Result<Value, FunctionsError> {
        let mut all = json!({"FunctionName": "f"});
        all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        self.functions.update_configuration(&self.scope(), serde_json::from_value(all).unwrap())
    }

    fn publish(&self) -> Value {
        let input = PublishVersion { function_name: "f".into(), ..Default::default() };
        self.functions.publish_version(&self.scope(), input).unwrap()
    }

    fn resolve(&self, qualifier: Option<&str>) -> Result<Arc<FunctionVersion>, InvokeError> {
        self.functions.resolve(&FunctionKey { scope: self.scope(), name: "f".into() }, qualifier)
    }
}

fn words<T: std::fmt::Debug>(result: Result<T, FunctionsError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn a_new_function_is_pending_and_then_active() {
    let world = World::new();
    let created = world.create(json!({"Environment": {"Variables": {"A": "1"}}})).unwrap();
    assert_eq!(created["State"], "Pending");
    assert_eq!(created["StateReasonCode"], "Creating");
    assert_eq!(created["LastModified"], "2026-11-21T16:47:42.123+0000");
    assert_eq!(created["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f");
    assert_eq!(created["LoggingConfig"], json!({"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}));
    assert_eq!((&created["Timeout"], &created["MemorySize"]), (&json!(3), &json!(128)));
    assert!(created.get("LastUpdateStatus").is_none());

    let active = world.settled("f").await;
    assert_eq!((&active["State"], &active["LastUpdateStatus"]), (&json!("Active"), &json!("Successful")));
    assert_eq!(world.resolve(None).unwrap().environment["A"], "1");
    assert_eq!(words(world.create(json!({}))), "Function already exist: f");
}

#[tokio::test]
async fn a_function_that_cannot_be_prepared_says_why_and_can_be_mended() {
    let world = World::new();
    world.create(json!({"Handler": "cannot.be"})).unwrap();
    let failed = world.settled("f").await;
    assert_eq!((&failed["State"], &failed["StateReason"]), (&json!("Failed"), &json!("no such runtime")));
    assert!(matches!(world.resolve(None), Err(InvokeError::NotReady(reason)) if reason.contains("Failed")));
    world.configure(json!({"Handler": "app.handler"})).unwrap();
    assert_eq!(world.settled("f").await["State"], "Active");
    assert!(words(world.create(json!({"FunctionName": "g", "Runtime": "cobol74"}))).contains("cobol"));
}

#[tokio::test]
async fn what_ran_goes_on_running_while_an_update_is_not_ready() {
    let world = World::new();
    world.create(json!({})).unwrap();
    let before = world.settled("f").await;
    let updating = world.configure(json!({"Handler": "never.ready", "MemorySize": 256})).unwrap();
    assert_eq!(updating["LastUpdateStatus"], "InProgress");
    assert_ne!(updating["RevisionId"], before["RevisionId"]);
    assert_eq!(&*world.resolve(None).unwrap().handler, "app.handler");
    assert!(
        words(world.update_code(json!({}), "two")).contains("An update is in progress for resource: arn:aws:lambda")
    );
}

#[tokio::test]
async fn code_is_updated_checked_and_published() {
    let world = World::new();
    let created = world.create(json!({"Publish": true})).unwrap();
    assert_eq!(created["Version"], "1");
    let first = world.settled("f").await;
    let dry = world.update_code(json!({"DryRun": true}), "two").unwrap();
    assert_ne!(dry["CodeSha256"], first["CodeSha256"]);
    assert_eq!(world.shown("f")["CodeSha256"], first["CodeSha256"]);
    assert!(words(world.update_code(json!({"RevisionId": "x"}), "two")).starts_with("The Revision Id provided"));
    assert!(
        words(world.functions.create(&world.scope(), input(json!({"FunctionName": "g"})), b"no zip")).contains("unzip")
    );

    let second = world.update_code(json!({"Publish": true}), "two").unwrap();
    assert_eq!((&second["Version"], &second["CodeSha256"]), (&json!("2"), &dry["CodeSha256"]));
    world.settled("f").await;
    assert_eq!(world.publish()["Version"], "2", "nothing has changed since");
    world.configure(json!({"Description": "other"})).unwrap();
    world.settled("f").await;
    let third = world.publish();
    assert_eq!((&third["Version"], &third["State"]), (&json!("3"), &json!("Active")));
    assert_eq!(third["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:3");
    let (versions, _) = world.functions.versions(&world.scope(), "f", None, 50).unwrap();
    let numbers: Vec<&str> = versions.iter().map(|version| version["Version"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["$LATEST", "1", "2", "3"]);
    assert_eq!(&*world.resolve(Some("1")).unwrap().version, "1");
}

#[tokio::test]
async fn aliases_route_by_weight() {
    let world = World::new();
    world.create(json!({"Publish": true})).unwrap();
    world.settled("f").await;
    world.update_code(json!({"Publish": true}), "two").unwrap();
    world.settled("f").await;
    let alias = |body: Value| serde_json::from_value::<AliasInput>(body).unwrap();
    let live = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1",
                      "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}});
    let made = world.functions.create_alias(&world.scope(), alias(live.clone())).unwrap();
    assert_eq!(made["AliasArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:live");
    assert!(words(world.functions.create_alias(&world.scope(), alias(live))).starts_with("Alias already exists: arn:"));
    let taken = (0..1000).filter(|_| &*world.resolve(Some("live")).unwrap().version == "2").count();
    assert!((200..300).contains(&taken), "{taken} of 1000 went to the version with weight 0.25");
    assert!(world.resolve(Some("live")).unwrap().arn.ends_with(":live"));
    assert!(words(world.functions.delete(&world.scope(), "f", Some("2"))).contains("referenced by the alias live"));
    let bad = json!({"FunctionName": "f", "Name": "bad", "FunctionVersion": "9"});
    assert_eq!(
        words(world.functions.create_alias(&world.scope(), alias(bad))),
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:9"
    );
    let moved = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "2", "RoutingConfig": {}});
    world.functions.update_alias(&world.scope(), alias(moved)).unwrap();
    assert_eq!(&*world.resolve(Some("live")).unwrap().version, "2");
    world.functions.delete_alias(&world.scope(), "f", "live").unwrap();
    assert!(matches!(world.resolve(Some("live")), Err(InvokeError::NotFound(arn)) if arn.ends_with("f:live")));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_awss_words() {
    let world = World::new();
    let refused = |body: Value| words(world.create(body));
    assert!(refused(json!({"Timeout": 901})).contains("Value '901' at 'timeout' failed to satisfy constraint"));
    assert!(refused(json!({"MemorySize": 64})).contains("greater than or equal to 128"));
    let reserved = refused(json!({"Environment": {"Variables": {"AWS_REGION": "x"}}}));
    assert!(reserved.ends_with("Reserved keys used in this request: AWS_REGION"));
    let large = "x".repeat(4096);
    assert!(refused(json!({"Environment": {"Variables": {"A": large}}})).contains("exceeded the 4KB limit"));
    assert!(refused(json!({"TracingConfig": {"Mode": "Active"}})).contains("not support"));
    assert!(refused(json!({"PackageType": "Image"})).contains("not support"));
    let foreign = if ARCHITECTURE == "arm64" { "x86_64" } else { "arm64" };
    assert!(refused(json!({"Architectures": [foreign]})).contains("This machine is"));
    let layer = "arn:aws:lambda:us-east-1:000000000000:layer:none:1";
    assert_eq!(refused(json!({"Layers": [layer]})), format!("Layer version {layer} does not exist."));
    assert_eq!(
        words(world.functions.get(&world.scope(), "f", None)),
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f"
    );
}

#[tokio::test]
async fn policies_are_written_as_aws_does() {
    let world = World::new();
    world.create(json!({})).unwrap();
    let add = |body: Value| world.functions.add_permission(&world.scope(), serde_json::from_value(body).unwrap());
    let given = json!({"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction",
                       "Principal": "sns.amazonaws.com", "SourceArn": "arn:aws:sns:us-east-1:000000000000:t"});
    let statement: Value = serde_json::from_str(&add(given.clone()).unwrap()).unwrap();
    let expected = json!({"Sid": "s", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:sns:us-east-1:000000000000:t"}}});
    assert_eq!(statement, expected);
    assert!(words(add(given)).starts_with("The statement id (s) provided already exists."));
    let policy = world.functions.policy(&world.scope(), "f", None).unwrap().policy;
    assert_eq!(serde_json::from_str::<Value>(&policy).unwrap()["Statement"], json!([expected]));
    world.functions.remove_permission(&world.scope(), "f", None, "s", None).unwrap();
    assert_eq!(words(world.functions.policy(&world.scope(), "f", None)), "The resource you requested does not exist.");
}

#[tokio::test]
async fn settings_of_events_and_concurrency_reach_the_runner() {
    let world = World::new();
    world.create(json!({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}})).unwrap();
    world.settled("f").await;
    let put = |body: Value, merge| {
        world.functions.put_event_invoke(&world.scope(), "f", None, serde_json::from_value(body).unwrap(), merge)
    };
    let key = FunctionKey { scope: world.scope(), name: "f".into() };
    assert_eq!(world.functions.event_config(&key, None).retries_max, 2);
    assert!(words(put(json!({"MaximumRetryAttempts": 0}), true)).contains("doesn't have an EventInvokeConfig"));
    put(json!({"MaximumRetryAttempts": 0}), false).unwrap();
    put(json!({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:d"}}}), true)
        .unwrap();
    let config = world.functions.event_config(&key, None);
    assert_eq!((config.retries_max, config.age_secs_max), (0, 21_600));
    assert_eq!(config.on_failure.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:d"));
    assert_eq!(config.dead_letter.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:q"));
    assert!(words(world.functions.set_concurrency(&world.scope(), "f", Some(901))).contains("[100]"));
    world.functions.set_concurrency(&world.scope(), "f", Some(3)).unwrap();
    assert_eq!(world.resolve(None).unwrap().reserved_concurrency, Some(3));
}

#[tokio::test]
async fn layers_are_versioned_and_outlive_their_deletion_in_functions() {
    let world = World::new();
    let publish = |text: &str| {
        let input = json!({"LayerName": "l", "CompatibleRuntimes": ["python3.12"]});
        world.functions.publish_layer(&world.scope(), serde_json::from_value(input).unwrap(), &zip(text)).unwrap()
    };
    assert_eq!(publish("a").shown["Version"], 1);
    let second = publish("b");
    let arn = second.shown["LayerVersionArn"].clone();
    world.create(json!({"Layers": [arn]})).unwrap();
    world.settled("f").await;
    world.functions.delete_layer(&world.scope(), "l", 2).unwrap();
    world.functions.collect_packages().unwrap();
    world.functions.collect_packages().unwrap();
    let layers = &world.resolve(None).unwrap().layers;
    assert!(world.disk.read(&layers[0].zip).is_ok(), "the function still holds it");
    assert_eq!(publish("b").shown["Version"], 3, "numbers are never used again");
    let filter = LayerFilter { runtime: Some("nodejs22.x"), ..Default::default() };
    assert!(world.functions.layers(&world.scope(), filter, None, 50).unwrap().0.is_empty());
    let (all, _) = world.functions.layer_versions(&world.scope(), "l", LayerFilter::default(), None, 50).unwrap();
    assert_eq!(all.iter().map(|layer| layer["Version"].clone()).collect::<Vec<_>>(), [json!(3), json!(1)]);
}

#[tokio::test]
async fn all_of_it_survives_a_power_cut_and_unneeded_packages_go() {
    let world = World::new();
    world.create(json!({"Publish": true})).unwrap();
    let before = world.settled("f").await;
    world.disk.crash();
    let again = open(&world.disk);
    assert_eq!(again.get(&world.scope(), "f", None).unwrap().configuration, before);
    let package = again.get(&world.scope(), "f", None).unwrap().package;
    assert_eq!(again.package(&package).unwrap().unwrap(), zip("one"));

    again.delete(&world.scope(), "f", None).unwrap();
    assert!(again.package(&package).unwrap().is_none());
    assert_eq!((again.collect_packages().unwrap(), again.collect_packages().unwrap()), (0, 1));
    assert_eq!(again.list(&world.scope(), true, None, 50).0, Vec::<Value>::new());
}

#[tokio::test]
async fn pages_end_where_the_next_begin() {
    let world = World::new();
    for name in ["f", "f-2", "f_3", "g"] {
        world.create(json!({"FunctionName": name, "Publish": true})).unwrap();
    }
    let (mut names, mut marker) = (Vec::new(), None);
    loop {
        let (page, next) = world.functions.list(&world.scope(), true, marker.as_deref(), 3);
        names.extend(
            page.iter().map(|f| format!("{}:{}", f["FunctionName"].as_str().unwrap(), f["Version"].as_str().unwrap())),
        );
        marker = next;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(
        names,
        ["f:$LATEST", "f:1", "f-2:$LATEST", "f-2:1", "f_3:$LATEST", "f_3:1", "g:$LATEST", "g:1"]
            .map(str::to_owned)
            .into_iter()
            .collect::<Vec<_>>()
    );
}

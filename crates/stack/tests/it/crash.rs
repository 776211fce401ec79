//! Deploys that die, and things that are removed by hand.

use crate::recorder::{World, poll, wait};
use millrace_base::Scope;
use millrace_stack::{StackStatus, Status, Template};
use std::collections::BTreeMap;

const TEMPLATE: &str = "
Resources:
  First: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}
  Second: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1, Tags: [{Key: of, Value: !Ref First}]}}
";

#[test]
fn a_deploy_that_died_goes_on_where_it_stopped() {
    let (world, scope, none) = (World::new(), Scope::default(), BTreeMap::new());
    let template = Template::parse("t.yaml", TEMPLATE).unwrap();
    *world.shared.hang.lock().unwrap() = Some("Second".to_owned());
    assert!(poll(world.deployer().deploy(&scope, "demo", &template, &none, &|_| {})).is_none());
    world.take_calls();
    let state = world.deployer().stack(&scope, "demo").unwrap().unwrap();
    assert_eq!(state.status, StackStatus::UpdateInProgress);

    *world.shared.hang.lock().unwrap() = None;
    let deployed = wait(world.deployer().deploy(&scope, "demo", &template, &none, &|_| {})).unwrap();
    assert_eq!(deployed.stack.status, StackStatus::UpdateComplete);
    let calls = world.take_calls();
    assert!(calls.contains("create Second") && calls.contains("(resuming)"), "{calls}");
    assert!(!calls.contains("create First"), "{calls}");
    assert_eq!(world.shared.there.lock().unwrap().len(), 2);
}

#[test]
fn what_was_removed_by_hand_is_created_again() {
    let (world, scope, none) = (World::new(), Scope::default(), BTreeMap::new());
    let template = Template::parse("t.yaml", TEMPLATE).unwrap();
    wait(world.deployer().deploy(&scope, "demo", &template, &none, &|_| {})).unwrap();
    world.shared.there.lock().unwrap().retain(|name| !name.contains("First"));
    let deployed = wait(world.deployer().deploy(&scope, "demo", &template, &none, &|_| {})).unwrap();
    assert_eq!(deployed.changes[0], ("First".to_owned(), Status::CreateComplete));
}

#[test]
fn a_deleted_stack_leaves_nothing_and_can_be_deployed_again() {
    let (world, scope, none) = (World::new(), Scope::default(), BTreeMap::new());
    let template = Template::parse("t.yaml", TEMPLATE).unwrap();
    wait(world.deployer().deploy(&scope, "demo", &template, &none, &|_| {})).unwrap();
    wait(world.deployer().delete(&scope, "demo", &|_| {})).unwrap();
    assert!(world.shared.there.lock().unwrap().is_empty());
    assert!(world.deployer().stack(&scope, "demo").unwrap().is_none());
    wait(world.deployer().deploy(&scope, "demo", &template, &none, &|_| {})).unwrap();
    assert!(wait(world.deployer().delete(&scope, "none", &|_| {})).is_err());
}

#[test]
fn accounts_do_not_see_each_others_stacks() {
    let (world, none) = (World::new(), BTreeMap::new());
    let template = Template::parse("t.yaml", TEMPLATE).unwrap();
    let mine = Scope::new("111111111111", "us-east-1");
    wait(world.deployer().deploy(&mine, "demo", &template, &none, &|_| {})).unwrap();
    assert!(world.deployer().stack(&Scope::new("222222222222", "us-east-1"), "demo").unwrap().is_none());
    assert_eq!(world.deployer().stacks(&mine).unwrap().len(), 1);
}

#[test]
fn a_removal_that_fails_is_told_and_tried_again() {
    let (world, scope, none) = (World::new(), Scope::default(), BTreeMap::new());
    let deploy = |text: &str| {
        let template = Template::parse("t.yaml", text).unwrap();
        wait(world.deployer().deploy(&scope, "demo", &template, &none, &|_| {}))
    };
    deploy(TEMPLATE).unwrap();
    let without = "Resources: {First: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}}";
    *world.shared.stuck.lock().unwrap() = Some("Second".to_owned());
    let error = deploy(without).unwrap_err().to_string();
    assert!(error.starts_with("t.yaml: Resources.Second: cannot be removed: it is not empty"), "{error}");
    let state = world.deployer().stack(&scope, "demo").unwrap().unwrap();
    assert_eq!((state.status, state.resources.len(), state.leaving.len()), (StackStatus::UpdateComplete, 1, 1));

    *world.shared.stuck.lock().unwrap() = None;
    assert!(deploy(without).unwrap().stack.leaving.is_empty());
    assert_eq!(world.shared.there.lock().unwrap().len(), 1);
}

//! The Admin calls that change topics. Each answers with one outcome a topic, never with a
//! verdict on all of them.

use std::ffi::{CString, c_int};
use std::ptr::{null, null_mut};

use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

use super::{
    ByName, Call, Event, Outcome, Owned, c_string, c_strings, check, items, outcome, pointers,
    resource, resource_outcome, text, topic_result_error,
};

/// The changes of one topic's keys: a value sets, `None` unsets.
pub type Changes = Vec<(String, Option<String>)>;

/// A topic to create; `None` leaves the choice to the broker's defaults.
pub struct TopicSpec<'s> {
    pub name: &'s str,
    pub partitions: Option<i32>,
    pub replication_factor: Option<i16>,
    pub config: Vec<(&'s str, &'s str)>,
}

fn native_topic(spec: &TopicSpec<'_>) -> Outcome<Owned<sys::rd_kafka_NewTopic_t>> {
    let name = c_string(spec.name)?;
    let partitions = spec.partitions.unwrap_or(-1);
    let replicas = c_int::from(spec.replication_factor.unwrap_or(-1));
    // SAFETY: the name is copied; without an error buffer nothing is written.
    let topic =
        unsafe { sys::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replicas, null_mut(), 0) };
    let topic = Owned::new(
        topic,
        sys::rd_kafka_NewTopic_destroy,
        "a size is out of range",
    )?;
    for (key, value) in &spec.config {
        let (key, value) = (c_string(key)?, c_string(value)?);
        // SAFETY: a live topic; both strings are copied.
        unsafe { sys::rd_kafka_NewTopic_set_config(topic.ptr(), key.as_ptr(), value.as_ptr()) };
    }
    Ok(topic)
}

/// The outcomes in the event of a topic operation.
///
/// # Safety
/// `list` belongs to the operation that the event answers.
unsafe fn topic_results(
    event: &Event,
    list: unsafe extern "C" fn(
        *const sys::rd_kafka_event_t,
        *mut usize,
    ) -> *mut *const sys::rd_kafka_topic_result_t,
) -> ByName<()> {
    // SAFETY: as the caller promises; results and their strings live as long as the event.
    let results = unsafe { items(event.get(), list) }.iter();
    results
        .map(|&result| unsafe {
            let name = text(sys::rd_kafka_topic_result_name(result)).unwrap_or_default();
            let words = sys::rd_kafka_topic_result_error_string(result);
            (name, outcome(topic_result_error(result), words))
        })
        .collect()
}

impl Call {
    pub fn create_topics(&self, topics: &[TopicSpec], validate_only: bool) -> Outcome<ByName<()>> {
        let topics = topics
            .iter()
            .map(native_topic)
            .collect::<Outcome<Vec<_>>>()?;
        let mut list = pointers(&topics);
        let options = self.controller_options(Op::RD_KAFKA_ADMIN_OP_CREATETOPICS, validate_only)?;
        // SAFETY: client, options and queue are live; the topics are copied before it returns.
        let event = self.wait(|queue| unsafe {
            let (rk, first) = (self.client.native_ptr(), list.as_mut_ptr());
            sys::rd_kafka_CreateTopics(rk, first, list.len(), options.ptr(), queue);
        })?;
        // SAFETY: the event answers CreateTopics.
        Ok(unsafe { topic_results(&event, sys::rd_kafka_CreateTopics_result_topics) })
    }

    pub fn create_partitions(&self, totals: &[(String, i32)]) -> Outcome<ByName<()>> {
        let grow = |(name, total): &(String, i32)| {
            let name = c_string(name)?;
            let total = usize::try_from(*total).unwrap_or(0);
            // SAFETY: the name is copied; without an error buffer nothing is written.
            let new =
                unsafe { sys::rd_kafka_NewPartitions_new(name.as_ptr(), total, null_mut(), 0) };
            Owned::new(
                new,
                sys::rd_kafka_NewPartitions_destroy,
                "a count is out of range",
            )
        };
        let topics = totals.iter().map(grow).collect::<Outcome<Vec<_>>>()?;
        let mut list = pointers(&topics);
        let options = self.controller_options(Op::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, false)?;
        // SAFETY: client, options and queue are live; the list is copied before it returns.
        let event = self.wait(|queue| unsafe {
            let (rk, first) = (self.client.native_ptr(), list.as_mut_ptr());
            sys::rd_kafka_CreatePartitions(rk, first, list.len(), options.ptr(), queue);
        })?;
        // SAFETY: the event answers CreatePartitions.
        Ok(unsafe { topic_results(&event, sys::rd_kafka_CreatePartitions_result_topics) })
    }

    pub fn delete_topics(&self, names: &[String]) -> Outcome<ByName<()>> {
        let delete = |name: &CString| {
            // SAFETY: the name is copied.
            let topic = unsafe { sys::rd_kafka_DeleteTopic_new(name.as_ptr()) };
            Owned::new(topic, sys::rd_kafka_DeleteTopic_destroy, "no name")
        };
        let topics = c_strings(names)?
            .iter()
            .map(delete)
            .collect::<Outcome<Vec<_>>>()?;
        let mut list = pointers(&topics);
        let options = self.controller_options(Op::RD_KAFKA_ADMIN_OP_DELETETOPICS, false)?;
        // SAFETY: client, options and queue are live; the list is copied before it returns.
        let event = self.wait(|queue| unsafe {
            let (rk, first) = (self.client.native_ptr(), list.as_mut_ptr());
            sys::rd_kafka_DeleteTopics(rk, first, list.len(), options.ptr(), queue);
        })?;
        // SAFETY: the event answers DeleteTopics.
        Ok(unsafe { topic_results(&event, sys::rd_kafka_DeleteTopics_result_topics) })
    }

    /// Sets (`Some`) or unsets (`None`) keys of topics; keys that are not given stay as they are.
    pub fn set_configs(&self, changes: &[(String, Changes)]) -> Outcome<ByName<()>> {
        let topics = changes.iter().map(|(name, keys)| {
            let topic = resource(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name)?;
            keys.iter()
                .try_for_each(|(key, value)| add_change(&topic, key, value.as_deref()))?;
            Ok(topic)
        });
        let topics = topics.collect::<Outcome<Vec<_>>>()?;
        let mut list = pointers(&topics);
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS)?;
        // SAFETY: client, options and queue are live; the list is copied before it returns.
        let event = self.wait(|queue| unsafe {
            let (rk, first) = (self.client.native_ptr(), list.as_mut_ptr());
            sys::rd_kafka_IncrementalAlterConfigs(rk, first, list.len(), options.ptr(), queue);
        })?;
        // SAFETY: the event answers IncrementalAlterConfigs.
        let results = unsafe {
            items(
                event.get(),
                sys::rd_kafka_IncrementalAlterConfigs_result_resources,
            )
        };
        Ok(results
            .iter()
            .map(|result| resource_outcome(result))
            .collect())
    }
}

fn add_change(
    topic: &Owned<sys::rd_kafka_ConfigResource_t>,
    key: &str,
    value: Option<&str>,
) -> Outcome<()> {
    use sys::rd_kafka_AlterConfigOpType_t as Kind;
    let (key, value) = (c_string(key)?, value.map(c_string).transpose()?);
    let (kind, value) = match &value {
        Some(value) => (Kind::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, value.as_ptr()),
        None => (Kind::RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE, null()),
    };
    // SAFETY: a live resource; the strings are copied; the error, if any, belongs to the caller.
    check(unsafe {
        let (topic, key) = (topic.ptr(), key.as_ptr());
        sys::rd_kafka_ConfigResource_add_incremental_config(topic, key, kind, value)
    })
}

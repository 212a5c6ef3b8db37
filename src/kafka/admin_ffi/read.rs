//! The Admin calls that only look: clusters, topics, configurations, groups and offsets. Answers
//! are copied out of the native event as they are; nothing is left out or made up.

use std::ffi::c_int;
use std::ptr::null;

use rdkafka::TopicPartitionList;
use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

use super::{
    ByName, ByPartition, Call, Failure, Outcome, Owned, borrowed, c_string, c_strings, check,
    entry_source, items, outcome, pointers, resource, resource_outcome, text,
};

pub struct PartitionInfo {
    pub replicas: usize,
    pub in_sync: usize,
}

pub struct TopicInfo {
    pub id: String,
    pub internal: bool,
    pub partitions: Vec<PartitionInfo>,
}

pub struct Entry {
    pub name: String,
    pub value: Option<String>,
    /// The entry is set on the resource itself, not inherited.
    pub own: bool,
    pub read_only: bool,
    pub sensitive: bool,
}

/// A consumer group of either protocol.
pub struct GroupInfo {
    pub state: sys::rd_kafka_consumer_group_state_t,
    pub members: usize,
}

pub struct ClusterInfo {
    pub id: Option<String>,
    pub brokers: Vec<i32>,
}

/// What a partition's offset is before an answer came.
pub const NO_OFFSET: i64 = sys::RD_KAFKA_OFFSET_INVALID as i64;

impl Call {
    /// The configuration of resources of one kind; of brokers only one a call.
    pub fn describe_configs(
        &self,
        kind: sys::rd_kafka_ResourceType_t,
        names: &[String],
    ) -> Outcome<ByName<Vec<Entry>>> {
        let resources = names
            .iter()
            .map(|name| resource(kind, name))
            .collect::<Outcome<Vec<_>>>()?;
        let mut list = pointers(&resources);
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)?;
        // SAFETY: client, options and queue are live; the list is copied before it returns.
        let event = self.wait(|queue| unsafe {
            let (rk, first) = (self.client.native_ptr(), list.as_mut_ptr());
            sys::rd_kafka_DescribeConfigs(rk, first, list.len(), options.ptr(), queue);
        })?;
        // SAFETY: the event answers DescribeConfigs; entries live as long as their resource.
        let results = unsafe { items(event.get(), sys::rd_kafka_DescribeConfigs_result_resources) };
        let of = |result: &&sys::rd_kafka_ConfigResource_t| {
            let (name, outcome) = resource_outcome(result);
            // SAFETY: the entries live as long as the event.
            let entries = unsafe { items(*result, sys::rd_kafka_ConfigResource_configs) };
            (
                name,
                outcome.map(|()| entries.iter().map(|entry| copy_entry(entry)).collect()),
            )
        };
        Ok(results.iter().map(of).collect())
    }

    pub fn describe_topics(&self, names: &[String]) -> Outcome<ByName<TopicInfo>> {
        let strings = c_strings(names)?;
        let mut list = strings.iter().map(|name| name.as_ptr()).collect::<Vec<_>>();
        // SAFETY: the names are copied.
        let topics =
            unsafe { sys::rd_kafka_TopicCollection_of_topic_names(list.as_mut_ptr(), list.len()) };
        let topics = Owned::new(topics, sys::rd_kafka_TopicCollection_destroy, "no topics")?;
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS)?;
        // SAFETY: client, options and queue are live; the topics are copied before it returns.
        let event = self.wait(|queue| unsafe {
            sys::rd_kafka_DescribeTopics(
                self.client.native_ptr(),
                topics.ptr(),
                options.ptr(),
                queue,
            );
        })?;
        // SAFETY: the event answers DescribeTopics; all parts live as long as the event.
        let results = unsafe { items(event.get(), sys::rd_kafka_DescribeTopics_result_topics) };
        let of = |&topic: &&sys::rd_kafka_TopicDescription_t| unsafe {
            let name = text(sys::rd_kafka_TopicDescription_name(topic)).unwrap_or_default();
            let outcome = borrowed(sys::rd_kafka_TopicDescription_error(topic));
            (name, outcome.map(|()| copy_topic(topic)))
        };
        Ok(results.iter().map(of).collect())
    }

    pub fn describe_cluster(&self) -> Outcome<ClusterInfo> {
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER)?;
        // SAFETY: client, options and queue are live.
        let event = self.wait(|queue| unsafe {
            sys::rd_kafka_DescribeCluster(self.client.native_ptr(), options.ptr(), queue);
        })?;
        // SAFETY: the event answers DescribeCluster; all parts live as long as the event.
        unsafe {
            let id = text(sys::rd_kafka_DescribeCluster_result_cluster_id(event.ptr()));
            let nodes = items(event.get(), sys::rd_kafka_DescribeCluster_result_nodes).iter();
            let brokers = nodes.map(|&node| sys::rd_kafka_Node_id(node)).collect();
            Ok(ClusterInfo { id, brokers })
        }
    }

    pub fn describe_group(&self, group: &str) -> Outcome<GroupInfo> {
        let group = c_string(group)?;
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS)?;
        // SAFETY: client, options and queue are live; the name is copied before it returns.
        let event = self.wait(|queue| unsafe {
            let (rk, mut name) = (self.client.native_ptr(), group.as_ptr());
            sys::rd_kafka_DescribeConsumerGroups(rk, &raw mut name, 1, options.ptr(), queue);
        })?;
        // SAFETY: the event answers DescribeConsumerGroups; all parts live as long as the event.
        unsafe {
            let groups = items(
                event.get(),
                sys::rd_kafka_DescribeConsumerGroups_result_groups,
            );
            let &group = groups.first().ok_or_else(|| Failure::invalid("no group"))?;
            borrowed(sys::rd_kafka_ConsumerGroupDescription_error(group))?;
            let state = sys::rd_kafka_ConsumerGroupDescription_state(group);
            let members = sys::rd_kafka_ConsumerGroupDescription_member_count(group);
            Ok(GroupInfo { state, members })
        }
    }

    /// Offsets by partition. The offset of each partition given is what to look for: -2 the
    /// earliest, -1 the latest, else a time in milliseconds since 1970. [`NO_OFFSET`] stands for
    /// the partitions of a broker that did not answer: librdkafka loses that error.
    pub fn list_offsets(
        &self,
        partitions: &TopicPartitionList,
        isolation: sys::rd_kafka_IsolationLevel_t,
    ) -> Outcome<ByPartition<i64>> {
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_LISTOFFSETS)?;
        // SAFETY: live options; the error, if any, belongs to the caller.
        check(unsafe { sys::rd_kafka_AdminOptions_set_isolation_level(options.ptr(), isolation) })?;
        // SAFETY: client, options and queue are live; the list is copied before it returns.
        let event = self.wait(|queue| unsafe {
            sys::rd_kafka_ListOffsets(
                self.client.native_ptr(),
                partitions.ptr(),
                options.ptr(),
                queue,
            );
        })?;
        // SAFETY: the event answers ListOffsets; all parts live as long as the event.
        let infos = unsafe { items(event.get(), sys::rd_kafka_ListOffsets_result_infos) };
        let of = |&info: &&sys::rd_kafka_ListOffsetsResultInfo_t| unsafe {
            copy_partition(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info))
        };
        Ok(infos.iter().map(of).collect())
    }

    /// A group's committed offsets; negative where there is none.
    pub fn committed(
        &self,
        group: &str,
        partitions: &TopicPartitionList,
    ) -> Outcome<ByPartition<i64>> {
        let group = c_string(group)?;
        // SAFETY: the name and the list are copied.
        let request =
            unsafe { sys::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), partitions.ptr()) };
        let request = Owned::new(
            request,
            sys::rd_kafka_ListConsumerGroupOffsets_destroy,
            "no group",
        )?;
        let mut list = request.ptr();
        let options = self.options(Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS)?;
        // SAFETY: client, options and queue are live; the request is copied before it returns.
        let event = self.wait(|queue| unsafe {
            let (rk, options) = (self.client.native_ptr(), options.ptr());
            sys::rd_kafka_ListConsumerGroupOffsets(rk, &raw mut list, 1, options, queue);
        })?;
        // SAFETY: the event answers ListConsumerGroupOffsets; all parts live as long as the event.
        unsafe {
            let groups = items(
                event.get(),
                sys::rd_kafka_ListConsumerGroupOffsets_result_groups,
            );
            let &group = groups.first().ok_or_else(|| Failure::invalid("no group"))?;
            borrowed(sys::rd_kafka_group_result_error(group))?;
            let Some(list) = sys::rd_kafka_group_result_partitions(group).as_ref() else {
                return Ok(Vec::new());
            };
            let count = usize::try_from(list.cnt).unwrap_or(0);
            Ok((0..count)
                .map(|index| copy_partition(list.elems.add(index)))
                .collect())
        }
    }
}

fn copy_entry(entry: &sys::rd_kafka_ConfigEntry_t) -> Entry {
    use sys::rd_kafka_ConfigSource_t::RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG as OWN;
    // SAFETY: the strings belong to the entry, which outlives the call.
    unsafe {
        Entry {
            name: text(sys::rd_kafka_ConfigEntry_name(entry)).unwrap_or_default(),
            value: text(sys::rd_kafka_ConfigEntry_value(entry)),
            own: entry_source(entry) == OWN as c_int,
            read_only: sys::rd_kafka_ConfigEntry_is_read_only(entry) == 1,
            sensitive: sys::rd_kafka_ConfigEntry_is_sensitive(entry) == 1,
        }
    }
}

fn copy_topic(topic: &sys::rd_kafka_TopicDescription_t) -> TopicInfo {
    // SAFETY: all parts belong to the topic, which outlives the call.
    unsafe {
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let partitions = items(topic, sys::rd_kafka_TopicDescription_partitions).iter();
        TopicInfo {
            id: text(sys::rd_kafka_Uuid_base64str(id)).unwrap_or_default(),
            internal: sys::rd_kafka_TopicDescription_is_internal(topic) == 1,
            partitions: partitions
                .map(|&partition| PartitionInfo {
                    replicas: items(partition, sys::rd_kafka_TopicPartitionInfo_replicas).len(),
                    in_sync: items(partition, sys::rd_kafka_TopicPartitionInfo_isr).len(),
                })
                .collect(),
        }
    }
}

/// Copies a partition's outcome.
///
/// # Safety
/// `partition` is valid during the call.
unsafe fn copy_partition(
    partition: *const sys::rd_kafka_topic_partition_t,
) -> ((String, i32), Outcome<i64>) {
    // SAFETY: as the caller promises; the error is read as the integer that it is in C.
    unsafe {
        let topic = text((*partition).topic).unwrap_or_default();
        let code = (&raw const (*partition).err).cast::<c_int>().read();
        let outcome = outcome(code, null()).map(|()| (*partition).offset);
        ((topic, (*partition).partition), outcome)
    }
}

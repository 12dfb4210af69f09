//! Offsets of a group, with the id of the topic in which they count. The broker keeps a short text
//! beside each committed offset: the id stands there.

use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::engine::ports::{Partition, Position};

const PREFIX: &str = "topic-id=";

pub fn add_position(
    list: &mut TopicPartitionList,
    topic: &str,
    partition: Partition,
    position: Position,
) -> KafkaResult<()> {
    let mut element = list.add_partition(topic, partition);
    element.set_offset(KafkaOffset::Offset(position.offset))?;
    if let Some(id) = position.topic {
        element.set_metadata(format!("{PREFIX}{id}"));
    }
    Ok(())
}

/// What a group has committed; `None`: nothing.
pub fn position(element: &TopicPartitionListElem<'_>) -> Option<Position> {
    let KafkaOffset::Offset(offset) = element.offset() else {
        return None;
    };
    // Other tools leave the text empty or write their own: then the topic is not known.
    let id = element.metadata().strip_prefix(PREFIX);
    Some(Position {
        offset,
        topic: id.and_then(|id| id.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports::TopicId;

    #[test]
    fn a_position_is_read_back() {
        for topic in [TopicId::new(77), None] {
            let mut list = TopicPartitionList::new();
            let wanted = Position { offset: 5, topic };
            add_position(&mut list, "t", 3, wanted).expect("an offset");
            let element = list.find_partition("t", 3).expect("added");
            assert_eq!(position(&element), Some(wanted));
        }
        let mut list = TopicPartitionList::new();
        list.add_partition("t", 0);
        assert_eq!(position(&list.find_partition("t", 0).expect("added")), None);
        let mut element = list.add_partition("t", 1);
        element.set_offset(KafkaOffset::Offset(1)).expect("an offset");
        element.set_metadata("of another tool");
        let wanted = Position {
            offset: 1,
            topic: None,
        };
        assert_eq!(
            position(&list.find_partition("t", 1).expect("added")),
            Some(wanted)
        );
    }
}

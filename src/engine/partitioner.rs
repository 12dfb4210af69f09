//! Where a key belongs: the two ways in which the field's producers place keys.

use super::ports::Partition;

/// How the producers of a topic place keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioner {
    /// Java clients, Connect, Debezium, kafkajs, franz-go.
    Murmur2,
    /// librdkafka's own default (`consistent`, `consistent_random`).
    Crc32,
    /// Not known: nothing is checked.
    Any,
}

impl Partitioner {
    /// The partition a key belongs to among `partitions`; `None` where nothing can be said.
    pub fn place(self, key: &[u8], partitions: i32) -> Option<Partition> {
        if partitions <= 0 {
            return None;
        }
        match self {
            Self::Murmur2 => Some((murmur2(key) & i32::MAX) % partitions),
            Self::Crc32 => {
                let slot = crc32fast::hash(key) % partitions.unsigned_abs();
                Partition::try_from(slot).ok()
            }
            Self::Any => None,
        }
    }
}

/// MurmurHash2 with the seed of Kafka's Java clients (`org.apache.kafka.common.utils.Utils`).
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // A key is below 2^32 bytes: the log's own limits are far lower.
    let mut hash = SEED ^ (data.len() as u32);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of `UtilsTest.testMurmur2` in Kafka's Java clients.
    #[test]
    fn murmur2_is_that_of_the_java_clients() {
        let rows: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in rows {
            assert_eq!(murmur2(key), hash, "{key:?}");
            assert_eq!(
                Partitioner::Murmur2.place(key, 7),
                Some((hash & 0x7fff_ffff) % 7),
                "{key:?}"
            );
        }
    }

    /// The check value of CRC-32/ISO-HDLC, and of librdkafka's own partitioner test (`rd_crc32 % n`).
    #[test]
    fn crc32_is_that_of_librdkafka() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(
            Partitioner::Crc32.place(b"123456789", 17),
            Some((0xcbf4_3926_u32 % 17) as i32)
        );
    }

    #[test]
    fn nothing_is_said_where_nothing_is_known() {
        assert_eq!(Partitioner::Any.place(b"k", 3), None);
        assert_eq!(Partitioner::Murmur2.place(b"k", 0), None);
    }
}

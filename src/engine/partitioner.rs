//! temporary
use super::ports::Partition;
#[derive(Clone, Copy, Debug)]
pub enum Partitioner {
    Murmur2,
    Crc32,
    Any,
}
impl Partitioner {
    pub fn place(self, _key: &[u8], _partitions: i32) -> Option<Partition> {
        None
    }
}

//! Keys as Topic Filters: which of them match a Topic Name.

use smallvec::SmallVec;

use super::level::level_at;
use super::{NodeId, TopicTree};

impl<V> TopicTree<V> {
    /// Calls `visit` once for every key that, as a Topic Filter, matches the Topic Name `topic`.
    ///
    /// `#` also matches the level above it: `sport/#` matches `sport` [MQTT-4.7.1-2]. A wildcard
    /// in the first level does not match a topic that begins with `$` [MQTT-4.7.2-1].
    ///
    /// Costs a probe for each level of `topic` and each way to get there: literally, or by `+`.
    pub fn matching_filters(&self, topic: &str, visit: &mut impl FnMut(NodeId, &V)) {
        // Where the levels before `at` led to; and where else they did, to go on from later.
        let (mut id, mut at) = (NodeId::ROOT, 0);
        let mut others = SmallVec::<[(NodeId, usize); 16]>::new();
        let mut wildcards = !topic.starts_with('$');
        loop {
            let node = self.node(id);
            if wildcards && let Some(hash) = node.hash {
                self.visit(hash, visit);
            }
            let mut child = None;
            if at <= topic.len() {
                let (text, next) = level_at(topic, at);
                if wildcards && let Some(plus) = node.plus {
                    others.push((plus, next));
                }
                child = self.named_child(id, text).map(|child| (child, next));
            } else if let Some(value) = &node.value {
                visit(id, value);
            }
            let Some(place) = child.or_else(|| others.pop()) else {
                return;
            };
            (id, at) = place;
            wildcards = true;
        }
    }

    #[inline]
    fn visit(&self, id: NodeId, visit: &mut impl FnMut(NodeId, &V)) {
        if let Some(value) = &self.node(id).value {
            visit(id, value);
        }
    }
}

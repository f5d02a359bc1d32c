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
        // The nodes that the levels before `at` lead to.
        let mut places = SmallVec::<[NodeId; 16]>::from_slice(&[NodeId::ROOT]);
        let mut at = 0;
        let mut wildcards = !topic.starts_with('$');
        while at <= topic.len() && !places.is_empty() {
            let (text, next) = level_at(topic, at);
            let hash = self.hasher.text(text);
            // Backwards, so that what is put at the end is left for the next level.
            for i in (0..places.len()).rev() {
                let node = &self.nodes[places[i]];
                let mut plus = None;
                if wildcards {
                    self.visit(node.hash, visit);
                    plus = node.plus;
                }
                match (self.named_child(places[i], text, hash), plus) {
                    (Some(child), None) | (None, Some(child)) => places[i] = child,
                    (Some(child), Some(plus)) => {
                        places[i] = child;
                        places.push(plus);
                    }
                    (None, None) => _ = places.swap_remove(i),
                }
            }
            at = next;
            wildcards = true;
        }
        for id in places {
            self.visit(Some(id), visit);
            self.visit(self.nodes[id].hash, visit);
        }
    }

    #[inline]
    fn visit(&self, id: Option<NodeId>, visit: &mut impl FnMut(NodeId, &V)) {
        if let Some(id) = id
            && let Some(value) = self.get(id)
        {
            visit(id, value);
        }
    }
}

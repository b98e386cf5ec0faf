/// A connection whose multiplexer can ask the peer for a sign of life.
package protocol ProbedConnection: MuxedConnection {
    /// Asks once, unless it is asking already; returns at once. The answer shows in ``MuxedConnection/traffic``, where the multiplexer has such a
    /// question.
    func probe()
}

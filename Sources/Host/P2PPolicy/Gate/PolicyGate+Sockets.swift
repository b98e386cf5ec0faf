package import P2PMultiaddr

extension PolicyGate {
    /// Decides about a plain socket of this program, asks if it has to, and keeps count of the socket if it is granted.
    ///
    /// - Parameters:
    ///   - host: as it was asked for: a name, or a numeric address.
    ///   - ip: where a name leads; nil before that is known.
    ///   - app: the program for which it is.
    ///   - socket: what will be open; nil for a question before that.
    ///   - end: ends it, when it is granted no longer.
    package func decide(
        _ kind: PolicyKind, host: String, port: UInt16, leadingTo ip: IPAddress?, app: String?, socket: ObjectIdentifier?,
        end: PolicyEnd?
    ) async -> PolicyAnswer {
        let asker = PolicyAsker(app: app, time: self.now)
        guard let target = PolicyTarget(host.contains(":") ? "[\(host)]" : host) else {
            let shown = String(host.debugDescription.prefix(80))
            return PolicyAnswer(question: PolicyQuestion(kind, .name("\(shown):\(port)"), asker: asker), reason: .notAHost(shown))
        }
        return await self.decide(
            PolicyQuestion(kind, .endpoint(target, port), asker: asker), leadingTo: ip?.unmapped, for: socket.map { .socket($0) }, end: end)
    }

    /// The socket is gone.
    package func release(socket: ObjectIdentifier) { self.release(.socket(socket)) }
}

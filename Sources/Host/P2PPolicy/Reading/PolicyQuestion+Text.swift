public import P2PCore
import P2PIdentity
import P2PMultiaddr

extension PolicyQuestion {
    /// Reads a question as people type it: `tcp-connect:10.0.0.5:22`, with conditions `peer=`, `from=`, `app=`, and `at=` for another time.
    ///
    /// - Parameters:
    ///   - text: what is to be done; a rule's form, but one thing alone.
    ///   - conditions: for whom.
    ///   - time: seconds since 1970, where no `at=` says otherwise.
    /// - Throws: ``PolicyError/Code/notAQuestion``.
    public init(_ text: String, conditions: [String] = [], time: Int64) throws(PolicyError) {
        var asker = PolicyAsker(time: time)
        do throws(PolicyMistake) {
            for condition in conditions {
                let (name, value) = try PolicyReader.condition(PolicyText(text: condition[...], column: 1))
                switch name.text {
                case "peer":
                    guard let peer = try PolicyReader.peer(value) else { throw value.mistake("a question is of one peer") }
                    asker.peer = peer
                case "from":
                    guard let address = IPAddress(String(value.text)) else {
                        throw value.mistake("\(PolicyReader.quoted(value)) is not an address")
                    }
                    asker.address = address
                case "app": asker.app = String(value.text)
                case "at": asker.time = try PolicyReader.time(value)
                default: throw name.mistake("\(PolicyReader.quoted(name)) says nothing of who asks; there are peer=, from=, app= and at=")
                }
            }
            let (kind, scope) = try PolicyReader.capability(PolicyText(text: text[...], column: 1))
            self.init(kind, try Self.subject(scope, of: kind), asker: asker)
        } catch {
            throw PolicyError(.notAQuestion, "question \"\(text)\", column \(error.column): \(error.message)")
        }
    }

    private static func subject(_ text: PolicyText, of kind: PolicyKind) throws(PolicyMistake) -> Subject {
        switch kind {
        case .tcpConnect, .udpConnect:
            let (target, port) = try Self.endpoint(text, of: kind)
            return .endpoint(target, port)
        case .tcpListen, .udpListen:
            guard text.text.contains(":") else { return .endpoint(.address(.unspecifiedV6), try Self.port(text, of: kind)) }
            let (target, port) = try Self.endpoint(text, of: kind)
            return .endpoint(target, port)
        case .tunnelConnect:
            let (network, rest) = try PolicyReader.network(text)
            let (target, port) = try Self.endpoint(rest, of: kind)
            return .tunnel(network, target, port)
        case .service, .streamOpen, .control:
            guard !text.text.contains("*") else { throw text.mistake("a question names one thing, without *") }
            return .name(String(text.text))
        case .peerDial, .peerAccept:
            guard let (peer, place) = text.split(at: "@") else { return .peer(try PolicyReader.peer(text)) }
            let (target, port) = try Self.endpoint(place, of: kind)
            return .peerAt(try PolicyReader.peer(peer), target, port)
        }
    }

    private static func endpoint(_ text: PolicyText, of kind: PolicyKind) throws(PolicyMistake) -> (PolicyTarget, UInt16) {
        let (host, port) = try PolicyReader.hostAndPort(text, of: kind)
        guard let target = PolicyTarget(String(host.text)) else {
            throw host.mistake(
                "\(PolicyReader.quoted(host)) is not a host: neither an address in its usual form nor a name in ASCII (xn--…)")
        }
        return (target, try Self.port(port, of: kind))
    }

    /// Who listens may leave the choice to the system.
    private static func port(_ text: PolicyText, of kind: PolicyKind) throws(PolicyMistake) -> UInt16 {
        if text.text == "0", kind == .tcpListen || kind == .udpListen { return 0 }
        return try PolicyReader.port(text)
    }
}

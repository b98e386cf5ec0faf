import P2P
import P2PCore

/// What a daemon says when another command asks it (``ControlSocket``).
struct DaemonAnswers: Sendable {
    let host: PeerHost

    /// The answer to a question, in lines with their ends; nil to one that means nothing. A question ends with `--json` where programs read the answer.
    func answer(to question: String) -> String? {
        let words = question.split(separator: " ")
        let speaksJSON = words.count == 2 && words[1] == "--json"
        guard words.count == 1 || speaksJSON else { return nil }
        switch words[0] {
        case "limits": return self.limits(speaksJSON)
        case "connections": return self.connections(speaksJSON)
        default: return nil
        }
    }

    private func limits(_ speaksJSON: Bool) -> String {
        let uses = self.host.limits() + [ProcessSnapshot.take().descriptors]
        guard !speaksJSON else {
            return Self.lines(uses.map { use in JSONObject(event: "limit", use.object).description })
        }
        let header = ["limit", "value", "use", "at most", "refused", "unit", "setting"]
        let rows = uses.map { use in
            [
                use.name, "\(use.limit)", "\(use.use)", "\(use.peak)", "\(use.refusals)", use.unit.rawValue, use.setting,
            ]
        }
        return Self.lines(TextTable([header] + rows).lines)
    }

    private func connections(_ speaksJSON: Bool) -> String {
        let all = self.host.values()
        guard !all.isEmpty else { return speaksJSON ? "" : "no connections\n" }
        return Self.lines(
            all.map { connection, value in
                speaksJSON ? JSONObject.connection(connection.info, value).description : Self.text(connection.info, value)
            })
    }

    private static func text(_ connection: ConnectionInfo, _ value: ConnectionValue) -> String {
        "\(connection.id) \(connection.remotePeer) \(connection.remoteAddress) \(connection.isDialled ? "outbound" : "inbound"): worth \(value)"
    }

    private static func lines(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }
}

extension JSONObject {
    /// An event with these members behind its name.
    init(event: String, _ object: JSONObject) {
        self = ["event": .string(event)]
        for member in object.members { self.append(member.name, member.value) }
    }

    /// A connection with what it is worth.
    fileprivate static func connection(_ connection: ConnectionInfo, _ value: ConnectionValue) -> JSONObject {
        [
            "event": "connection", "connection": .unsigned(connection.id.number), "peer": .text(connection.remotePeer),
            "address": .text(connection.remoteAddress), "direction": .string(connection.isDialled ? "outbound" : "inbound"),
            "worth": .integer(value.points),
            "reasons": .array(value.reasons.map { .object(["name": .string($0.name), "points": .integer($0.points)]) }),
            "hold": value.hold.map { .text($0) } ?? .null,
        ]
    }
}

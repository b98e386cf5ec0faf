import P2PCore

/// Something that happened, by its name and what it carries: for events that have no form of their own here.
struct EventText {
    /// The event as JSON.
    let object: JSONObject
    /// The event for people.
    let text: String

    /// - Parameter event: a case of an enumeration.
    init(_ event: some Any) {
        let shown = Mirror(reflecting: event).children.first
        let name = Self.snakeCase(shown?.label ?? "\(event)")
        var object: JSONObject = ["event": .string(name)]
        var words = [name]
        for (label, value) in Self.fields(shown?.value) {
            let described = Self.describe(value)
            object.append(label, described)
            var text = ""
            if case .string(let string) = described { text = string } else { described.write(to: &text) }
            words.append("\(label)=\(PeerText(text))")
        }
        self.object = object
        self.text = words.joined(separator: " ")
    }

    /// What a case carries: by its labels, or by its place where there are none.
    private static func fields(_ payload: Any?) -> [(String, Any)] {
        guard let payload else { return [] }
        let mirror = Mirror(reflecting: payload)
        guard mirror.displayStyle == .tuple else { return [("value", payload)] }
        return mirror.children.enumerated().map { index, child in
            let label = child.label.flatMap { $0.hasPrefix(".") ? nil : $0 }
            return (label.map(Self.snakeCase) ?? "value\(index)", child.value)
        }
    }

    private static func describe(_ value: Any) -> JSONValue {
        switch value {
        case let number as Int: .integer(number)
        case let number as UInt64: .unsigned(number)
        case let isSo as Bool: .bool(isSo)
        case let connection as ConnectionInfo: .text(connection.remotePeer)
        default: .string(PeerText("\(value)", limit: ToolError.maximumLength).description)
        }
    }

    /// `stoppedListening` as `stopped_listening`.
    private static func snakeCase(_ name: String) -> String {
        name.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : String($1) }
    }
}

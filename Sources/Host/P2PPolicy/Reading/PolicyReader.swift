import P2PCore
import P2PIdentity
import P2PMultiaddr

/// Reads rules and questions; each mistake is said with its place.
enum PolicyReader {
    static func rules(in text: String) throws(PolicyError) -> [PolicyRule] {
        guard text.utf8.count <= Policy.maximumTextBytes else {
            throw PolicyError(.tooLarge, "the policy has \(text.utf8.count) bytes; at most \(Policy.maximumTextBytes) are read")
        }
        var rules: [PolicyRule] = []
        // A line that ends in CR LF is one character's end in Swift.
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = PolicyText.words(of: line)
            guard !words.isEmpty else { continue }
            guard rules.count < Policy.maximumRules else {
                throw PolicyError(.tooLarge, "policy line \(index + 1): a policy has at most \(Policy.maximumRules) rules")
            }
            do throws(PolicyMistake) {
                rules.append(try Self.rule(words, line: index + 1))
            } catch {
                throw PolicyError(.notARule, "policy line \(index + 1), column \(error.column): \(error.message)")
            }
        }
        return rules
    }

    static func rule(_ words: [PolicyText], line: Int) throws(PolicyMistake) -> PolicyRule {
        guard let effect = PolicyRule.Effect(rawValue: String(words[0].text)) else {
            throw words[0].mistake("a rule begins with allow, ask or deny, not with \(Self.quoted(words[0]))")
        }
        guard words.count > 1 else {
            throw words[0].mistake(
                "nothing follows; a rule goes on with what it is about, such as tcp-connect:example.com:443", at: effect.rawValue.count)
        }
        let (kind, scope) = try Self.capability(words[1])
        let rest = words.dropFirst(2)
        let conditions = try Self.conditions(rest)
        if effect == .deny, conditions.maximum != nil, let word = rest.first(where: { $0.text.hasPrefix("max=") }) {
            throw word.mistake("max= does not go with deny: what is denied has no number")
        }
        return PolicyRule(
            effect: effect, kind: kind, scope: try Self.scope(scope, of: kind), conditions: conditions, line: line,
            text: words.map(\.text).joined(separator: " "))
    }

    /// The kind, and the text of what of it.
    static func capability(_ word: PolicyText) throws(PolicyMistake) -> (PolicyKind, PolicyText) {
        let (name, scope) = word.split(at: ":") ?? (word, word.dropFirst(word.text.count))
        guard let kind = PolicyKind(rawValue: String(name.text)) else {
            let kinds = PolicyKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw name.mistake("\(Self.quoted(name)) is not a kind of rule; there are \(kinds)")
        }
        guard !scope.text.isEmpty else { throw scope.mistake("\(kind.rawValue) needs to say of what, such as \(Self.example(of: kind))") }
        return (kind, scope)
    }

    static func scope(_ text: PolicyText, of kind: PolicyKind) throws(PolicyMistake) -> PolicyScope {
        switch kind {
        case .tcpConnect, .udpConnect:
            let (hosts, ports) = try Self.endpoint(text, of: kind)
            return .endpoints(hosts, ports)
        case .tcpListen, .udpListen:
            guard text.text.contains(":") else { return .endpoints(.any, try Self.ports(text)) }
            let (hosts, ports) = try Self.endpoint(text, of: kind)
            return .endpoints(hosts, ports)
        case .tunnelConnect:
            let (network, rest) = try Self.network(text)
            let (hosts, ports) = try Self.endpoint(rest, of: kind)
            return .tunnels(network, hosts, ports)
        case .service, .streamOpen, .control:
            return .names(try Self.names(text))
        case .peerDial, .peerAccept:
            guard let (peer, place) = text.split(at: "@") else { return .peers(try Self.peer(text)) }
            let (hosts, ports) = try Self.endpoint(place, of: kind)
            return .peersAt(try Self.peer(peer), hosts, ports)
        }
    }

    // MARK: Parts

    static func network(_ text: PolicyText) throws(PolicyMistake) -> (PolicyNetwork, PolicyText) {
        guard let (name, rest) = text.split(at: "/"), let network = PolicyNetwork(rawValue: String(name.text)) else {
            throw text.mistake("a tunnel's target begins with tcp/ or udp/, such as tcp/10.0.0.0/8:22")
        }
        return (network, rest)
    }

    private static func endpoint(_ text: PolicyText, of kind: PolicyKind) throws(PolicyMistake) -> (PolicyHosts, PolicyPorts) {
        let (host, ports) = try Self.hostAndPort(text, of: kind)
        return (try Self.hosts(host), try Self.ports(ports))
    }

    /// The text of the host, brackets included, and that of the ports.
    static func hostAndPort(_ text: PolicyText, of kind: PolicyKind) throws(PolicyMistake) -> (PolicyText, PolicyText) {
        guard let (host, port) = text.splitLast(at: ":"), !port.text.contains("]") else {
            throw text.mistake("the ports are missing; \(kind.rawValue) is written like \(Self.example(of: kind)), with * for every port")
        }
        guard !host.text.isEmpty else { throw host.mistake("the host is missing; * stands for every host") }
        let isBracketed = host.text.hasPrefix("[") && host.text.hasSuffix("]")
        if !isBracketed, host.text.contains(":") { throw host.mistake("an IPv6 address stands in brackets, such as [2001:db8::1]") }
        return (host, port)
    }

    private static func hosts(_ text: PolicyText) throws(PolicyMistake) -> PolicyHosts {
        if text.text == "*" { return .any }
        if let scope = PolicyAddressScope.words.first(where: { $0.rawValue == text.text }) { return .scope(scope) }
        if text.text.hasPrefix("[") {
            let inner = text.text.dropFirst().dropLast()
            guard let network = IPNetwork(String(inner)), inner.contains(":") else {
                throw text.mistake("\(Self.quoted(text)) is not an IPv6 address or range")
            }
            return .network(network)
        }
        if let network = IPNetwork(String(text.text)) { return .network(network) }
        if text.text.contains("/") { throw text.mistake("\(Self.quoted(text)) is not a range of addresses, such as 10.0.0.0/8") }
        let isBelow = text.text.hasPrefix("*.")
        let name = isBelow ? text.dropFirst(2) : text
        guard let name = PolicyTarget.canonical(name.text) else {
            throw name.mistake("\(Self.quoted(name)) is not a host: neither an address in its usual form nor a name in ASCII (xn--…)")
        }
        return isBelow ? .below(name) : .name(name)
    }

    private static func ports(_ text: PolicyText) throws(PolicyMistake) -> PolicyPorts {
        if text.text == "*" { return .any }
        var ranges: [ClosedRange<UInt16>] = []
        for part in text.parts(between: ",") {
            guard let (first, last) = part.split(at: "-") else {
                let port = try Self.port(part)
                ranges.append(port...port)
                continue
            }
            let (low, high) = (try Self.port(first), try Self.port(last))
            guard low <= high else { throw part.mistake("the ports \(part.text) are in the wrong order") }
            ranges.append(low...high)
        }
        return .ranges(ranges)
    }

    static func port(_ text: PolicyText) throws(PolicyMistake) -> UInt16 {
        guard let number = Self.number(text), !(text.text.hasPrefix("0") && text.text.count > 1) else {
            throw text.mistake("\(Self.quoted(text)) is not a port")
        }
        guard number <= UInt16.max else { throw text.mistake("port \(text.text) is above 65535") }
        guard number > 0 else { throw text.mistake("port 0 is whatever the system chooses: only * grants it") }
        return UInt16(number)
    }

    private static func names(_ text: PolicyText) throws(PolicyMistake) -> PolicyNames {
        let prefix = text.text.hasSuffix("*") ? text.text.dropLast() : text.text
        if let star = prefix.firstIndex(of: "*") {
            throw text.mistake("* may only stand at the end of a name", at: prefix.distance(from: prefix.startIndex, to: star))
        }
        guard prefix.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { throw text.mistake("a name is of visible ASCII characters") }
        return text.text.hasSuffix("*") ? .prefixed(String(prefix)) : .exactly(String(prefix))
    }

    static func peer(_ text: PolicyText) throws(PolicyMistake) -> PeerID? {
        if text.text == "*" { return nil }
        do {
            return try PeerID(string: text.text)
        } catch {
            throw text.mistake("\(Self.quoted(text)) is not a peer id: \(error.message)")
        }
    }

    // MARK: Conditions

    private static func conditions(_ words: ArraySlice<PolicyText>) throws(PolicyMistake) -> PolicyConditions {
        var conditions = PolicyConditions()
        var seen: Set<Substring> = []
        for word in words {
            let (name, value) = try Self.condition(word)
            guard seen.insert(name.text).inserted else { throw name.mistake("\(name.text)= stands here twice") }
            switch name.text {
            case "peer":
                for part in value.parts(between: ",") {
                    guard let peer = try Self.peer(part) else { throw part.mistake("peer=* asks nothing; leave it out") }
                    conditions.peers.append(peer)
                }
            case "from":
                for part in value.parts(between: ",") { conditions.networks.append(try Self.range(part)) }
            case "app":
                conditions.app = String(value.text)
            case "until":
                conditions.deadline = try Self.time(value)
            case "max":
                guard let number = Self.number(value), number > 0 else {
                    throw value.mistake("\(Self.quoted(value)) is not a number from 1 on")
                }
                conditions.maximum = number
            default:
                throw name.mistake("\(Self.quoted(name)) is not a condition; there are peer=, from=, app=, until= and max=")
            }
        }
        return conditions
    }

    static func condition(_ word: PolicyText) throws(PolicyMistake) -> (PolicyText, PolicyText) {
        guard let (name, value) = word.split(at: "=") else {
            throw word.mistake("\(Self.quoted(word)) is not a condition, such as peer=… or until=2027-01-01T00:00:00Z")
        }
        guard !value.text.isEmpty else { throw value.mistake("nothing follows \(name.text)=") }
        return (name, value)
    }

    static func range(_ text: PolicyText) throws(PolicyMistake) -> IPNetwork {
        let isBracketed = text.text.hasPrefix("[") && text.text.hasSuffix("]")
        guard let network = IPNetwork(String(isBracketed ? text.text.dropFirst().dropLast() : text.text)) else {
            throw text.mistake("\(Self.quoted(text)) is not an address or a range of addresses")
        }
        return network
    }

    static func time(_ text: PolicyText) throws(PolicyMistake) -> Int64 {
        guard let time = WallTime(internetTime: text.text) else {
            throw text.mistake("\(Self.quoted(text)) is not a time such as 2027-01-01T00:00:00Z")
        }
        return time.secondsSince1970
    }

    // MARK: Words

    private static func number(_ text: PolicyText) -> Int? {
        guard text.text.utf8.count <= 9, !text.text.isEmpty, text.text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text.text)
    }

    static func quoted(_ text: PolicyText) -> String {
        let limit = 80
        return text.text.count > limit ? "\"\(text.text.prefix(limit))…\"" : "\"\(text.text)\""
    }

    static func example(of kind: PolicyKind) -> String {
        switch kind {
        case .tcpConnect, .udpConnect: "\(kind.rawValue):example.com:443"
        case .tcpListen, .udpListen: "\(kind.rawValue):3030"
        case .tunnelConnect: "tunnel-connect:tcp/10.0.0.0/8:22"
        case .service, .streamOpen: "\(kind.rawValue):/x/ssh"
        case .peerDial, .peerAccept: "\(kind.rawValue):*@10.0.0.0/8:*"
        case .control: "control:tunnel.*"
        }
    }
}

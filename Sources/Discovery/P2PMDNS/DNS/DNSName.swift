import P2PCore

/// A domain name; two are equal when they differ in nothing but the case of ASCII letters.
package struct DNSName: Hashable, Sendable, CustomStringConvertible {
    /// As it stands on the wire without compression: each label after its length, then a zero.
    package let wire: [UInt8]
    /// The same in lower case. Lengths stay as they are: none is as great as the code of a letter.
    private let folded: [UInt8]

    /// The name of the root.
    package static let root = DNSName(validated: [0])

    /// Bytes that are known to be a name.
    init(validated wire: [UInt8]) {
        self.wire = wire
        self.folded = wire.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
    }

    /// A name of labels, the nearest to the root last.
    package init(labels: [[UInt8]]) throws(DNSError) {
        var wire: [UInt8] = []
        for label in labels {
            guard !label.isEmpty, label.count <= DNSLimits.label, let length = UInt8(exactly: label.count) else {
                throw DNSError(.badLabel, "a label has 1 to \(DNSLimits.label) bytes, not \(label.count)")
            }
            wire.append(length)
            wire += label
        }
        wire.append(0)
        guard wire.count <= DNSLimits.name else {
            throw DNSError(.tooLarge, "a name of \(wire.count) bytes is beyond the limit of \(DNSLimits.name)")
        }
        self.init(validated: wire)
    }

    /// A name in text, such as `_p2p._udp.local`; without escapes.
    package init(_ text: String) throws(DNSError) {
        try self.init(labels: text.split(separator: ".").map { Array($0.utf8) })
    }

    /// The labels, the nearest to the root last.
    package var labels: [ArraySlice<UInt8>] {
        var labels: [ArraySlice<UInt8>] = []
        var position = 0
        while position < self.wire.count, self.wire[position] != 0 {
            let end = min(position + 1 + Int(self.wire[position]), self.wire.count)
            labels.append(self.wire[(position + 1)..<end])
            position = end
        }
        return labels
    }

    /// Whether it is a label and then `parent`.
    package func isChild(of parent: DNSName) -> Bool {
        guard let length = self.wire.first, length > 0 else { return false }
        return self.folded.dropFirst(1 + Int(length)).elementsEqual(parent.folded)
    }

    /// The places where a shorter name within this one begins, with that name in lower case; the root left out.
    var suffixes: [(offset: Int, name: [UInt8])] {
        var suffixes: [(Int, [UInt8])] = []
        var position = 0
        while position < self.wire.count, self.wire[position] != 0 {
            suffixes.append((position, Array(self.folded[position...])))
            position += 1 + Int(self.wire[position])
        }
        return suffixes
    }

    /// Labels between dots; whatever is not printable ASCII as `\` and three digits.
    package var description: String {
        let labels = self.labels.map { label in
            label.map { byte in
                switch byte {
                case UInt8(ascii: "."), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
                case 0x21...0x7e: String(UnicodeScalar(byte))
                default: "\\" + String(repeating: "0", count: byte < 10 ? 2 : byte < 100 ? 1 : 0) + String(byte)
                }
            }.joined()
        }
        return labels.isEmpty ? "." : labels.joined(separator: ".")
    }

    package static func == (left: DNSName, right: DNSName) -> Bool { left.folded == right.folded }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.folded) }
}

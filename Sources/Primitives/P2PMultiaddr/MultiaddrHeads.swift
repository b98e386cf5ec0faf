import P2PMultiformats

/// Where a component stands in the binary form: what most questions about an address need, without a copy of any value.
struct MultiaddrHead {
    let `protocol`: MultiaddrProtocol
    /// Code, length where it varies, and value.
    let whole: Range<Int>
    let value: Range<Int>
}

/// The heads of the components of bytes that were checked before.
struct MultiaddrHeads: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func next() -> MultiaddrHead? {
        let start = self.position
        guard let code = self.varint(), let `protocol` = MultiaddrProtocol(code: code) else { return nil }
        var length = 0
        switch `protocol`.size {
        case .none: break
        case .fixed(let bits): length = bits / 8
        case .variable:
            guard let announced = self.varint() else { return nil }
            length = Int(clamping: announced)
        }
        let value = self.position..<self.position + Swift.min(length, self.bytes.count - self.position)
        self.position = value.upperBound
        return MultiaddrHead(protocol: `protocol`, whole: start..<value.upperBound, value: value)
    }

    private mutating func varint() -> UInt64? {
        guard self.position < self.bytes.count, let (value, length) = try? UnsignedVarint.decode(self.bytes[self.position...]) else {
            return nil
        }
        self.position += length
        return value
    }
}

extension Multiaddr {
    /// Where the components stand, in order.
    var heads: MultiaddrHeads { MultiaddrHeads(self.bytes) }

    /// The component that a head is of.
    func component(_ head: MultiaddrHead) -> MultiaddrComponent {
        MultiaddrComponent(head.protocol, validated: Array(self.bytes[head.value]))
    }

    /// Whether the first component is of this protocol.
    package func begins(with protocol: MultiaddrProtocol) -> Bool {
        var heads = self.heads
        return heads.next()?.protocol == `protocol`
    }
}

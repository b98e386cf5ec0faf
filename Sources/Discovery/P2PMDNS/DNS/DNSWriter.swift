import P2PCore
import P2PMultiaddr

/// Writes the parts of a message; a name that has been written before is a pointer to it.
struct DNSWriter {
    /// The last place that a pointer can name.
    private static let lastTarget = 0x3fff

    private(set) var bytes: [UInt8] = []
    private var places: [[UInt8]: Int] = [:]

    mutating func write(_ value: UInt16) {
        self.bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        self.bytes.append(UInt8(truncatingIfNeeded: value))
    }

    private mutating func write(_ value: UInt32) {
        self.write(UInt16(truncatingIfNeeded: value >> 16))
        self.write(UInt16(truncatingIfNeeded: value))
    }

    private mutating func write(_ name: DNSName) {
        for (offset, suffix) in name.suffixes {
            if let place = self.places[suffix] {
                self.write(UInt16(truncatingIfNeeded: 0xc000 | place))
                return
            }
            if self.bytes.count <= Self.lastTarget { self.places[suffix] = self.bytes.count }
            self.bytes += name.wire[offset...(offset + Int(name.wire[offset]))]
        }
        self.bytes.append(0)
    }

    mutating func write(_ question: DNSQuestion) {
        self.write(question.name)
        self.write(question.type.rawValue)
        self.write(question.class.rawValue & 0x7fff | (question.wantsUnicast ? 0x8000 : 0))
    }

    mutating func write(_ record: DNSRecord) throws(DNSError) {
        self.write(record.name)
        self.write(record.type.rawValue)
        self.write(record.class.rawValue & 0x7fff | (record.flushesCache ? 0x8000 : 0))
        self.write(record.timeToLive)
        let lengthPlace = self.bytes.count
        self.write(0 as UInt16)
        try self.write(record.content)
        guard let length = UInt16(exactly: self.bytes.count - lengthPlace - 2) else {
            throw DNSError(.tooLarge, "the data of \(record.name) are longer than a record can hold")
        }
        self.bytes[lengthPlace] = UInt8(truncatingIfNeeded: length >> 8)
        self.bytes[lengthPlace + 1] = UInt8(truncatingIfNeeded: length)
    }

    private mutating func write(_ content: DNSRecord.Content) throws(DNSError) {
        switch content {
        case .address(let address): self.bytes += address.bytes
        case .pointer(let name): self.write(name)
        case .text(let strings):
            for string in strings {
                guard let length = UInt8(exactly: string.count) else {
                    throw DNSError(.tooLarge, "a string of \(string.count) bytes is beyond the limit of \(DNSLimits.string)")
                }
                self.bytes.append(length)
                self.bytes += string
            }
        case .service(let priority, let weight, let port, let target):
            self.write(priority)
            self.write(weight)
            self.write(port)
            // Plain DNS clients do not expect a pointer here (RFC 2782), and some look.
            self.bytes += target.wire
        case .other(_, let data): self.bytes += data
        }
    }
}

import P2PCore
import P2PMultiaddr

/// Reads the parts of a message; every step is checked against the end of the bytes.
struct DNSReader {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    private mutating func read(_ count: Int, _ what: @autoclosure () -> String) throws(DNSError) -> ArraySlice<UInt8> {
        guard count <= self.bytes.count - self.position else {
            throw DNSError(.truncated, "the message ends within the \(what()), at byte \(self.bytes.count)")
        }
        defer { self.position += count }
        return self.bytes[self.position..<(self.position + count)]
    }

    mutating func readUInt16(_ what: @autoclosure () -> String) throws(DNSError) -> UInt16 {
        try self.read(2, what()).reduce(0) { $0 << 8 | UInt16($1) }
    }

    private mutating func readUInt32(_ what: @autoclosure () -> String) throws(DNSError) -> UInt32 {
        try self.read(4, what()).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Reads a name. A pointer must lead further back than every place that the name has been at, so there is an end.
    mutating func readName() throws(DNSError) -> DNSName {
        var wire: [UInt8] = []
        var end: Int?
        var place = self.position
        var lowest = self.position
        var pointers = 0
        while true {
            guard place < self.bytes.count else { throw DNSError(.truncated, "the message ends within a name, at byte \(place)") }
            let length = Int(self.bytes[place])
            switch length >> 6 {
            case 0 where length == 0:
                wire.append(0)
                self.position = end ?? place + 1
                return DNSName(validated: wire)
            case 0:
                guard length < self.bytes.count - place else {
                    throw DNSError(.truncated, "the message ends within a label, at byte \(self.bytes.count)")
                }
                guard wire.count + length + 2 <= DNSLimits.name else {
                    throw DNSError(.tooLarge, "the name at byte \(self.position) grows beyond the limit of \(DNSLimits.name) bytes")
                }
                wire += self.bytes[place...(place + length)]
                place += 1 + length
            case 3:
                guard place + 1 < self.bytes.count else {
                    throw DNSError(.truncated, "the message ends within a pointer, at byte \(place)")
                }
                let target = (length & 0x3f) << 8 | Int(self.bytes[place + 1])
                pointers += 1
                guard target < lowest, pointers <= DNSLimits.pointers else {
                    throw DNSError(
                        .badPointer, "the pointer at byte \(place) leads to byte \(target), which is not further back, or is one too many")
                }
                end = end ?? place + 2
                lowest = target
                place = target
            default:
                throw DNSError(.badLabel, "the label at byte \(place) is of no known kind (0x\(String(length, radix: 16)))")
            }
        }
    }

    mutating func readQuestion() throws(DNSError) -> DNSQuestion {
        let name = try self.readName()
        let type = DNSType(rawValue: try self.readUInt16("type"))
        let bits = try self.readUInt16("class")
        return DNSQuestion(name, type, class: DNSClass(rawValue: bits & 0x7fff), wantsUnicast: bits & 0x8000 != 0)
    }

    mutating func readRecord() throws(DNSError) -> DNSRecord {
        let name = try self.readName()
        let type = DNSType(rawValue: try self.readUInt16("type"))
        let bits = try self.readUInt16("class")
        let timeToLive = try self.readUInt32("time to live")
        let length = Int(try self.readUInt16("length of the data"))
        guard length <= self.bytes.count - self.position else {
            throw DNSError(.truncated, "the message ends within the data of \(name), at byte \(self.bytes.count)")
        }
        let end = self.position + length
        let content = try self.readContent(type, upTo: end)
        guard self.position == end else {
            throw DNSError(.badRecord, "the data of \(name) (type \(type.rawValue)) end at byte \(self.position), not at \(end)")
        }
        return DNSRecord(
            name, timeToLive: timeToLive, flushesCache: bits & 0x8000 != 0, class: DNSClass(rawValue: bits & 0x7fff), content)
    }

    private mutating func readContent(_ type: DNSType, upTo end: Int) throws(DNSError) -> DNSRecord.Content {
        switch type {
        case .a, .aaaa:
            let count = end - self.position
            guard count == (type == .a ? 4 : 16), let address = IPAddress(bytes: try self.read(count, "address")) else {
                throw DNSError(.badRecord, "an address of type \(type.rawValue) has \(count) bytes")
            }
            return .address(address)
        case .ptr:
            return .pointer(try self.readName())
        case .txt:
            var strings: [[UInt8]] = []
            while self.position < end {
                let length = Int(self.bytes[self.position])
                guard length < end - self.position else {
                    throw DNSError(.badRecord, "a string at byte \(self.position) goes on beyond the record's end")
                }
                self.position += 1
                strings.append(Array(try self.read(length, "string")))
            }
            return .text(strings)
        case .srv:
            let priority = try self.readUInt16("priority")
            let weight = try self.readUInt16("weight")
            let port = try self.readUInt16("port")
            return .service(priority: priority, weight: weight, port: port, target: try self.readName())
        default:
            return .other(type, Array(try self.read(end - self.position, "data")))
        }
    }
}

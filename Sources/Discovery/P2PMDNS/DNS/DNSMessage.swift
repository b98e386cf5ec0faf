import P2PCore

/// A DNS message (RFC 1035, section 4), as local discovery uses it (RFC 6762, section 18).
package struct DNSMessage: Hashable, Sendable {
    /// Echoed in an answer by unicast to a plain DNS client; else zero.
    package var id: UInt16 = 0
    package var isResponse: Bool
    /// More known answers follow in another message (RFC 6762, section 7.2).
    package var isTruncated = false
    /// The kind of query; 0 is the only one here.
    package var opcode: UInt8 = 0
    /// Whether an answer tells of an error; 0 is none.
    package var responseCode: UInt8 = 0
    package var questions: [DNSQuestion] = []
    package var answers: [DNSRecord] = []
    package var authorities: [DNSRecord] = []
    package var additionals: [DNSRecord] = []

    package init(isResponse: Bool) {
        self.isResponse = isResponse
    }

    /// Reads a message.
    package init(_ bytes: [UInt8]) throws(DNSError) {
        guard bytes.count <= DNSLimits.message else {
            throw DNSError(.tooLarge, "a message of \(bytes.count) bytes is beyond the limit of \(DNSLimits.message)")
        }
        var reader = DNSReader(bytes)
        self.id = try reader.readUInt16("id")
        let flags = try reader.readUInt16("flags")
        self.isResponse = flags & 0x8000 != 0
        self.isTruncated = flags & 0x0200 != 0
        self.opcode = UInt8(truncatingIfNeeded: flags >> 11 & 0x0f)
        self.responseCode = UInt8(truncatingIfNeeded: flags & 0x0f)
        var counts: [Int] = []
        for section in ["questions", "answers", "authorities", "additionals"] {
            counts.append(Int(try reader.readUInt16("count of \(section)")))
        }
        let total = counts.reduce(0, +)
        guard total <= DNSLimits.records else {
            throw DNSError(.tooLarge, "\(total) questions and records are beyond the limit of \(DNSLimits.records)")
        }
        for _ in 0..<counts[0] { self.questions.append(try reader.readQuestion()) }
        for _ in 0..<counts[1] { self.answers.append(try reader.readRecord()) }
        for _ in 0..<counts[2] { self.authorities.append(try reader.readRecord()) }
        for _ in 0..<counts[3] { self.additionals.append(try reader.readRecord()) }
    }

    /// Writes the message.
    package func encoded() throws(DNSError) -> [UInt8] {
        var writer = DNSWriter()
        let sections = [self.questions.count, self.answers.count, self.authorities.count, self.additionals.count]
        guard sections.reduce(0, +) <= DNSLimits.records else {
            throw DNSError(.tooLarge, "\(sections.reduce(0, +)) questions and records are beyond the limit of \(DNSLimits.records)")
        }
        // An answer by multicast is always authoritative (RFC 6762, section 18.4).
        var flags: UInt16 = self.isResponse ? 0x8400 : 0
        if self.isTruncated { flags |= 0x0200 }
        flags |= UInt16(self.opcode & 0x0f) << 11 | UInt16(self.responseCode & 0x0f)
        writer.write(self.id)
        writer.write(flags)
        for count in sections { writer.write(UInt16(truncatingIfNeeded: count)) }
        for question in self.questions { writer.write(question) }
        for record in self.answers + self.authorities + self.additionals { try writer.write(record) }
        guard writer.bytes.count <= DNSLimits.message else {
            throw DNSError(.tooLarge, "the message grows to \(writer.bytes.count) bytes, beyond the limit of \(DNSLimits.message)")
        }
        return writer.bytes
    }
}

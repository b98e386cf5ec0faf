package import NIOCore
import P2PIdentity
import P2PMultiaddr
import P2PProtobuf

/// A request or an answer, as protobuf (kad-dht spec, "RPC messages").
package struct KademliaMessage: Hashable, Sendable {
    /// What is asked for. A message without a type is `putValue`: proto3 leaves a zero out.
    package enum Kind: UInt64, Sendable {
        case putValue = 0
        case getValue = 1
        case addProvider = 2
        case getProviders = 3
        case findNode = 4
        case ping = 5
    }

    package var kind: Kind
    package var key: [UInt8] = []
    package var record: KademliaRecord?
    /// Peers near the key.
    package var closer: [KademliaContact] = []
    /// Who has what the key names.
    package var providers: [KademliaContact] = []

    package init(_ kind: Kind, key: [UInt8] = []) {
        self.kind = kind
        self.key = key
    }
}

/// Why bytes are no message.
package enum KademliaMessageError: Error, Hashable {
    /// They are no protobuf.
    case malformed
    /// A type that nobody has defined; rust and go reset the stream as well.
    case unknownKind
    /// The key is longer than ``KademliaLimits/keyLength``.
    case keyTooLong
    /// The value is longer than ``KademliaLimits/valueSize``.
    case valueTooLong
}

extension KademliaMessage {
    // MARK: Reading

    /// Reads a message. Of each list of peers the first ``KademliaLimits/peersPerAnswer`` are looked at; peers with an id that is none, and
    /// addresses that can't be read or name another peer, are left out one by one.
    package init(reading message: ByteBuffer) throws(KademliaMessageError) {
        do {
            var kind: UInt64 = 0
            var reader = ProtobufReader(message)
            var (key, record): (ByteBuffer?, ByteBuffer?)
            var (closer, providers): ([ByteBuffer], [ByteBuffer]) = ([], [])
            while let field = try reader.next() {
                switch (field.number, field.value) {
                case (1, .varint(let number)): kind = number
                case (2, .bytes(let bytes)): key = bytes
                case (3, .bytes(let bytes)): record = bytes
                case (8, .bytes(let bytes)): if closer.count < KademliaLimits.peersPerAnswer { closer.append(bytes) }
                case (9, .bytes(let bytes)): if providers.count < KademliaLimits.peersPerAnswer { providers.append(bytes) }
                default: break
                }
            }
            // Only the low 32 bits of an enum count.
            guard let known = Kind(rawValue: kind & 0xffff_ffff) else { throw KademliaMessageError.unknownKind }
            self.init(known)
            if let key {
                guard key.readableBytes <= KademliaLimits.keyLength else { throw KademliaMessageError.keyTooLong }
                self.key = Array(key.readableBytesView)
            }
            if let record { self.record = try Self.record(record) }
            self.closer = Self.contacts(closer)
            self.providers = Self.contacts(providers)
        } catch let error as KademliaMessageError {
            throw error
        } catch {
            throw .malformed
        }
    }

    private static func record(_ bytes: ByteBuffer) throws -> KademliaRecord {
        var record = KademliaRecord(key: [], value: [])
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let bytes)):
                guard bytes.readableBytes <= KademliaLimits.keyLength else { throw KademliaMessageError.keyTooLong }
                record.key = Array(bytes.readableBytesView)
            case (2, .bytes(let bytes)):
                guard bytes.readableBytes <= KademliaLimits.valueSize else { throw KademliaMessageError.valueTooLong }
                record.value = Array(bytes.readableBytesView)
            case (5, .bytes(let bytes)):
                guard bytes.readableBytes <= KademliaLimits.timeLength else { break }
                record.timeReceived = String(validating: bytes.readableBytesView, as: UTF8.self)
            case (666, .bytes(let bytes)):
                if bytes.readableBytes <= PeerID.maxLength { record.publisher = Array(bytes.readableBytesView) }
            case (777, .varint(let number)): record.secondsLeft = UInt32(clamping: number)
            default: break
            }
        }
        return record
    }

    private static func contacts(_ list: [ByteBuffer]) -> [KademliaContact] {
        var contacts: [KademliaContact] = []
        for bytes in list where bytes.readableBytes <= KademliaLimits.peerSize {
            if let contact = Self.contact(bytes) { contacts.append(contact) }
        }
        return contacts
    }

    private static func contact(_ bytes: ByteBuffer) -> KademliaContact? {
        var reader = ProtobufReader(bytes)
        var peer: PeerID?
        var encoded: [ByteBuffer] = []
        // A peer that ends in the middle is as bad as one that has no id.
        while true {
            guard let field = try? reader.next() else { break }
            switch (field.number, field.value) {
            case (1, .bytes(let id)): peer = try? PeerID(bytes: id.readableBytesView)
            case (2, .bytes(let address)): if encoded.count < KademliaLimits.addressesRead { encoded.append(address) }
            default: break
            }
        }
        guard let peer else { return nil }
        var contact = KademliaContact(peer)
        for address in encoded where contact.addresses.count < KademliaLimits.addressesPerPeer {
            guard let address = try? Multiaddr(bytes: address.readableBytesView), address.peerID == nil || address.peerID == peer
            else { continue }
            let bare = address.withoutPeerID
            guard !bare.isEmpty, bare.bytes.count <= KademliaLimits.addressLength, !contact.addresses.contains(bare) else { continue }
            contact.addresses.append(bare)
        }
        return contact
    }

    // MARK: Writing

    /// The message, without its length: a value of any size, then as many peers as fit into `limit` bytes, or into as many besides a value that leaves no room
    /// for ``KademliaLimits/peersBesideValue``; the last of the farthest are left out first, then the last providers. Of a peer, the first ``KademliaLimits/addressesSent`` addresses are sent.
    package func encoded(upTo limit: Int = KademliaLimits.sentSize) -> ByteBuffer {
        var writer = ProtobufWriter(capacity: 256)
        if self.kind != .putValue { writer.write(1, varint: self.kind.rawValue) }
        if !self.key.isEmpty { writer.write(2, bytes: self.key) }
        if let record { writer.write(3, message: Self.encoded(record)) }
        let providers = self.providers.map(Self.encoded)
        let closer = self.closer.map(Self.encoded)
        let left = limit - writer.count - 4
        let nearest = closer.prefix(KademliaLimits.peersBesideValue).reduce(0) { $0 + Self.size(of: $1) }
        let room = self.record != nil && left < nearest ? limit : left
        let providerRoom = closer.isEmpty ? room : room - min(room / 4, closer.reduce(0) { $0 + Self.size(of: $1) })
        var used = 0
        var fitting: [ByteBuffer] = []
        for peer in providers {
            let size = Self.size(of: peer)
            guard used + size <= providerRoom else { break }
            used += size
            fitting.append(peer)
        }
        for peer in closer {
            let size = Self.size(of: peer)
            guard used + size <= room else { break }
            used += size
            writer.write(8, message: peer)
        }
        for peer in fitting { writer.write(9, message: peer) }
        // Dead, and expected all the same by old nodes of go's, which count from one.
        writer.write(10, varint: 1)
        return writer.buffer
    }

    private static func size(of peer: ByteBuffer) -> Int { ProtobufWriter.size(ofField: 8, bytes: peer.readableBytes) }

    private static func encoded(_ contact: KademliaContact) -> ByteBuffer {
        var writer = ProtobufWriter()
        writer.write(1, bytes: contact.peer.bytes)
        for address in contact.addresses.prefix(KademliaLimits.addressesSent) { writer.write(2, bytes: address.bytes) }
        return writer.buffer
    }

    private static func encoded(_ record: KademliaRecord) -> ByteBuffer {
        var writer = ProtobufWriter(capacity: record.value.count + record.key.count + 64)
        writer.write(1, bytes: record.key)
        writer.write(2, bytes: record.value)
        if let time = record.timeReceived { writer.write(5, bytes: time.utf8) }
        if let publisher = record.publisher { writer.write(666, bytes: publisher) }
        if let secondsLeft = record.secondsLeft { writer.write(777, varint: UInt64(secondsLeft)) }
        return writer.buffer
    }
}

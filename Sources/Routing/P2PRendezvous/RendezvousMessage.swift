package import NIOCore
package import P2PCore
import P2PProtobuf

/// A registration as it travels.
package struct WireRegistration: Hashable, Sendable {
    package var namespace: String
    /// The peer's record in its signed envelope.
    package var record: [UInt8]
    /// In seconds; nil leaves it to the rendezvous point.
    package var timeToLive: UInt64?

    package init(namespace: String, record: [UInt8], timeToLive: UInt64?) {
        self.namespace = namespace
        self.record = record
        self.timeToLive = timeToLive
    }
}

/// A message of the protocol. It is proto2: zeros are sent (rendezvous spec, "Protobuf").
package enum RendezvousMessage: Hashable, Sendable {
    case register(WireRegistration)
    case registered(RendezvousStatus, text: String, timeToLive: UInt64)
    case unregister(namespace: String)
    /// No namespace means all.
    case discover(namespace: String?, limit: UInt64?, cookie: [UInt8])
    case discovered([WireRegistration], cookie: [UInt8], RendezvousStatus, text: String)

    // MARK: Writing

    package var encoded: ByteBuffer {
        var writer = ProtobufWriter(capacity: 512)
        var inner = ProtobufWriter(capacity: 512)
        switch self {
        case .register(let registration):
            writer.write(1, varint: 0)
            writer.write(2, message: Self.encoded(registration))
        case .registered(let status, let text, let timeToLive):
            writer.write(1, varint: 1)
            inner.write(1, varint: status.rawValue)
            inner.write(2, bytes: text.utf8)
            inner.write(3, varint: timeToLive)
            writer.write(3, message: inner.buffer)
        case .unregister(let namespace):
            writer.write(1, varint: 2)
            inner.write(1, bytes: namespace.utf8)
            writer.write(4, message: inner.buffer)
        case .discover(let namespace, let limit, let cookie):
            writer.write(1, varint: 3)
            if let namespace { inner.write(1, bytes: namespace.utf8) }
            if let limit { inner.write(2, varint: limit) }
            if !cookie.isEmpty { inner.write(3, bytes: cookie) }
            writer.write(5, message: inner.buffer)
        case .discovered(let registrations, let cookie, let status, let text):
            writer.write(1, varint: 4)
            for registration in registrations { inner.write(1, message: Self.encoded(registration)) }
            inner.write(2, bytes: cookie)
            inner.write(3, varint: status.rawValue)
            inner.write(4, bytes: text.utf8)
            writer.write(6, message: inner.buffer)
        }
        return writer.buffer
    }

    private static func encoded(_ registration: WireRegistration) -> ByteBuffer {
        var writer = ProtobufWriter(capacity: registration.record.count + 64)
        writer.write(1, bytes: registration.namespace.utf8)
        writer.write(2, bytes: registration.record)
        if let timeToLive = registration.timeToLive { writer.write(3, varint: timeToLive) }
        return writer.buffer
    }

    // MARK: Reading

    /// - Throws: ``StreamError/Code/malformed``.
    package init(reading message: ByteBuffer) throws(StreamError) {
        do {
            self = try Self.read(message)
        } catch let error as StreamError {
            throw error
        } catch {
            throw StreamError(.malformed, "\(message.readableBytes) bytes that are no message of a rendezvous", cause: error)
        }
    }

    private static func read(_ message: ByteBuffer) throws -> RendezvousMessage {
        var reader = ProtobufReader(message)
        var kind: UInt64?
        var bodies: [Int: ByteBuffer] = [:]
        while let field = try reader.next() {
            switch field.number {
            case 1: kind = field.varint ?? kind
            case 2...6: if let body = field.bytes { bodies[field.number] = body }
            default: break
            }
        }
        // Whoever writes version 3, as py does, leaves a zero out.
        switch kind ?? (bodies[2] == nil ? nil : 0) {
        case 0: return .register(try Self.registration(bodies[2] ?? ByteBuffer()))
        case 1:
            var (status, text, timeToLive): (UInt64, String, UInt64) = (0, "", 0)
            try Self.each(bodies[3]) { field in
                switch field.number {
                case 1: status = field.varint ?? status
                case 2: text = Self.text(field)
                case 3: timeToLive = field.varint ?? timeToLive
                default: break
                }
            }
            return .registered(RendezvousStatus(rawValue: status), text: text, timeToLive: timeToLive)
        case 2:
            var namespace = ""
            try Self.each(bodies[4]) { if $0.number == 1 { namespace = Self.text($0) } }
            return .unregister(namespace: namespace)
        case 3:
            var (namespace, limit, cookie): (String?, UInt64?, [UInt8]) = (nil, nil, [])
            try Self.each(bodies[5]) { field in
                switch field.number {
                case 1: namespace = Self.text(field)
                case 2: limit = field.varint
                case 3: cookie = field.array ?? cookie
                default: break
                }
            }
            return .discover(namespace: namespace, limit: limit, cookie: cookie)
        case 4:
            var registrations: [WireRegistration] = []
            var (cookie, status, text): ([UInt8], UInt64, String) = ([], 0, "")
            try Self.each(bodies[6]) { field in
                switch field.number {
                case 1:
                    // A registration that can't be read spoils none of the others.
                    if registrations.count < RendezvousLimits.registrationsPerAnswer, let body = field.bytes,
                        let registration = try? Self.registration(body)
                    {
                        registrations.append(registration)
                    }
                case 2: cookie = field.array ?? cookie
                case 3: status = field.varint ?? status
                case 4: text = Self.text(field)
                default: break
                }
            }
            return .discovered(registrations, cookie: cookie, RendezvousStatus(rawValue: status), text: text)
        default: throw StreamError(.malformed, "a message of a type that does not exist")
        }
    }

    private static func registration(_ body: ByteBuffer) throws -> WireRegistration {
        var registration = WireRegistration(namespace: "", record: [], timeToLive: nil)
        try self.each(body) { field in
            switch field.number {
            case 1: registration.namespace = Self.text(field)
            case 2: registration.record = field.array ?? registration.record
            case 3: registration.timeToLive = field.varint
            default: break
            }
        }
        return registration
    }

    private static func each(_ body: ByteBuffer?, _ handle: (ProtobufReader.Field) -> Void) throws {
        guard let body else { return }
        var reader = ProtobufReader(body)
        while let field = try reader.next() { handle(field) }
    }

    private static func text(_ field: ProtobufReader.Field) -> String {
        String(decoding: field.bytes?.readableBytesView ?? ByteBuffer().readableBytesView, as: UTF8.self)
    }
}

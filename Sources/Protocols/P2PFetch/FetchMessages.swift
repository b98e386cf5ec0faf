package import NIOCore
package import P2PCore
import P2PProtobuf

/// The two messages of the protocol (fetch spec, "Protocol").
package struct FetchRequest: Equatable {
    /// A text in the spec, bytes in js: so bytes.
    package var key: [UInt8]

    package init(key: [UInt8]) { self.key = key }

    package init(reading message: ByteBuffer) throws(StreamError) {
        self.key = []
        var reader = ProtobufReader(message)
        do throws(ProtobufError) {
            while let field = try reader.next() {
                if field.number == 1, let key = field.array { self.key = key }
            }
        } catch {
            throw StreamError(.malformed, "\(message.readableBytes) bytes that are no request", cause: error)
        }
    }

    package var encoded: ByteBuffer {
        var writer = ProtobufWriter(capacity: self.key.count + 8)
        if !self.key.isEmpty { writer.write(1, bytes: self.key) }
        return writer.buffer
    }
}

/// What is answered.
package struct FetchResponse: Equatable {
    package enum Status: UInt64 {
        case found = 0
        case notFound = 1
        case error = 2
    }

    package var status: Status
    package var data: [UInt8] = []

    package init(_ status: Status, _ data: [UInt8] = []) {
        self.status = status
        self.data = data
    }

    package init(reading message: ByteBuffer) throws(StreamError) {
        var status: UInt64 = 0
        self.data = []
        var reader = ProtobufReader(message)
        do throws(ProtobufError) {
            while let field = try reader.next() {
                if field.number == 1, let number = field.varint { status = number }
                if field.number == 2, let data = field.array { self.data = data }
            }
        } catch {
            throw StreamError(.malformed, "\(message.readableBytes) bytes that are no response", cause: error)
        }
        guard let known = Status(rawValue: status) else { throw StreamError(.malformed, "\(status) is the status of nothing") }
        self.status = known
    }

    package var encoded: ByteBuffer {
        var writer = ProtobufWriter(capacity: self.data.count + 8)
        if self.status != .found { writer.write(1, varint: self.status.rawValue) }
        if !self.data.isEmpty { writer.write(2, bytes: self.data) }
        return writer.buffer
    }
}

/// What a frame is (RFC 6455, section 5.2). The other ten values are reserved.
enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xa

    var isControl: Bool { self.rawValue >= 0x8 }
}

/// Which end of a WebSocket this is: a client masks what it sends, a server does not.
package enum WebSocketSide: Sendable {
    case client, server
}

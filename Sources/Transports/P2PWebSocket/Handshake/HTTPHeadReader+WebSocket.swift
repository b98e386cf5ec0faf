import NIOCore
import P2PCore
import P2PHTTPHead

extension HTTPHeadReader {
    /// The head once it is complete, with a WebSocket's errors.
    mutating func next(from bytes: inout ByteBuffer) throws(WebSocketError) -> HTTPHead? {
        do throws(HTTPHeadError) {
            return try self.received(&bytes)
        } catch {
            throw WebSocketError(error)
        }
    }
}

extension HTTPResponseReader {
    /// The final response's head once it is complete, with a WebSocket's errors.
    mutating func next(from bytes: inout ByteBuffer) throws(WebSocketError) -> HTTPHead? {
        do throws(HTTPHeadError) {
            return try self.received(&bytes)
        } catch {
            throw WebSocketError(error)
        }
    }
}

extension WebSocketError {
    fileprivate init(_ error: HTTPHeadError) {
        self.init(.malformedHead, error.message)
    }
}
